package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/urfave/cli/v2"

	"lethe/internal/config"
)

// settingFlag is a setting as a flag of a command. The flag may stand before the command and behind it; both write the same setting,
// which is why it has no default of its own.
type settingFlag struct {
	setting *config.Setting
	name    string
	// byDefault is what help shows: the value before anything was read, so that no secret can stand there.
	byDefault string
	// hidden flags are taken, but not shown: a setting with a short name can also be given by its key.
	hidden bool
}

func (f *settingFlag) Names() []string        { return []string{f.name} }
func (f *settingFlag) IsSet() bool            { return f.setting.IsSet() }
func (f *settingFlag) IsVisible() bool        { return !f.hidden }
func (f *settingFlag) GetUsage() string       { return f.setting.Usage }
func (f *settingFlag) GetValue() string       { return f.byDefault }
func (f *settingFlag) GetDefaultText() string { return f.byDefault }
func (f *settingFlag) GetEnvVars() []string   { return []string{f.setting.Env()} }
func (f *settingFlag) String() string         { return cli.FlagStringer(f) }
func (f *settingFlag) TakesValue() bool       { return !isSwitch(f.setting.Value) }
func (f *settingFlag) Apply(s *flag.FlagSet) error {
	s.Var(flagValue{f.setting}, f.name, f.setting.Usage)
	return nil
}

func isSwitch(v flag.Value) bool {
	_, ok := v.(*config.Bool)
	return ok
}

// flagValue writes a setting from the command line.
type flagValue struct{ setting *config.Setting }

func (v flagValue) Set(s string) error { return v.setting.SetFlag(s) }
func (v flagValue) IsBoolFlag() bool   { return isSwitch(v.setting.Value) }
func (v flagValue) String() string {
	if v.setting == nil {
		return ""
	}
	return v.setting.Value.String()
}

// flags returns the flags of the settings with these keys. The key is the flag's name; one may be followed by a shorter name, as "query.limit
// limit".
func flags(c *config.Config, keys ...string) []cli.Flag {
	out := make([]cli.Flag, 0, len(keys))
	for _, k := range keys {
		key, short, ok := strings.Cut(k, " ")
		setting := c.Setting(key)
		byDefault := setting.Value.String()
		out = append(out, &settingFlag{setting: setting, name: key, byDefault: byDefault, hidden: ok})
		if ok {
			out = append(out, &settingFlag{setting: setting, name: short, byDefault: byDefault})
		}
	}
	return out
}

// arguments returns what of the command line is no flag. Flags may stand between and behind the arguments; "--" ends them.
func arguments(c *cli.Context) ([]string, error) {
	rest := c.Args().Slice()
	var out []string
	for len(rest) > 0 {
		out = append(out, rest[0])
		rest = rest[1:]
		if len(rest) == 0 || len(rest[0]) < 2 || rest[0][0] != '-' {
			continue
		}
		set := flag.NewFlagSet(c.Command.Name, flag.ContinueOnError)
		set.SetOutput(io.Discard)
		for _, f := range c.Command.Flags {
			if err := f.Apply(set); err != nil {
				return nil, err
			}
		}
		if err := set.Parse(rest); err != nil {
			return nil, usage(err)
		}
		if ended := len(rest) - set.NArg() - 1; ended >= 0 && rest[ended] == "--" {
			return append(out, set.Args()...), nil
		}
		rest = set.Args()
	}
	return out, nil
}

// usageError is a mistake in how Lethe was called.
type usageError struct{ err error }

func (e *usageError) Error() string { return e.err.Error() }
func (e *usageError) Unwrap() error { return e.err }

func usage(err error) error { return &usageError{err} }

func usagef(format string, args ...any) error { return usage(fmt.Errorf(format, args...)) }

// configFiles are looked for in this order where no file is named; the first that exists is read.
var configFiles = [...]string{"lethe.yaml", "etc/lethe.yaml", "/etc/lethe/lethe.yaml"}

// settle fills the configuration from the environment and the file, under what flags have set, and checks it.
func (p *program) settle() error {
	if err := p.config.LoadEnv(p.lookupEnv); err != nil {
		return usage(err)
	}
	name, data, err := p.readConfigFile()
	if err != nil {
		return usage(err)
	}
	if name == "" {
		return nil
	}
	warnings, err := p.config.LoadFile(name, data)
	if err != nil {
		return usage(err)
	}
	for _, w := range warnings {
		p.say("lethe: warning: %s\n", w)
	}
	return nil
}

func (p *program) readConfigFile() (string, []byte, error) {
	if name := string(p.args.Config); name != "" {
		data, err := os.ReadFile(name)
		return name, data, err
	}
	for _, name := range configFiles {
		data, err := os.ReadFile(name)
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		return name, data, err
	}
	return "", nil, nil
}
