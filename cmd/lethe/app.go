package main

import (
	"context"
	"fmt"
	"io"
	"runtime/debug"
	"strings"

	"github.com/urfave/cli/v2"
)

// version is set by the linker. A build without it takes what the Go toolchain recorded.
var version string

func buildVersion() string {
	if version != "" {
		return version
	}
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" && info.Main.Version != "(devel)" {
		return info.Main.Version
	}
	return "devel"
}

// common are the flags of every command.
var common = []string{"storage.bucket bucket", "cli.config config", "log.level", "log.format"}

// querying are the flags of what runs queries.
var querying = []string{
	"query.timeout", "query.ingest_delay", "query.max_length", "query.max_points", "query.max_series", "query.max_range", "query.max_bytes",
	"query.max_memory", "query.parallel", "query.hedge_after", "query.partial partial", "query.fanout", "query.fanout_bytes", "cache.size", "cache.dir", "cache.dir_size",
}

// compacting are the flags of what compacts.
var compacting = []string{
	"retention.time", "retention.size", "retention.interval", "retention.overrides", "compactor.concurrency", "compactor.memory",
	"compactor.target_size", "compactor.grace", "compactor.raw_grace", "compactor.single_writer single-writer", "compactor.shard shard",
	"compactor.temp_dir",
}

// listening are the flags of what listens.
var listening = []string{
	"web.config.file", "web.config.base64", "web.max_body", "web.read_timeout", "web.write_timeout", "web.idle_timeout", "web.grace_period",
}

// answering are the flags of what answers queries over HTTP.
var answering = append([]string{"query.limit", "query.max_limit", "query.fanout_url", "query.fanout_config.file", "query.fanout_function"}, queueing...)

// queueing are the flags of what has requests wait for their turn.
var queueing = []string{"query.concurrency", "query.queue", "query.queue_timeout"}

func join(groups ...[]string) []string {
	var out []string
	for _, g := range groups {
		out = append(out, g...)
	}
	return out
}

// app is the command line.
func (p *program) app() *cli.App {
	a := &cli.App{
		Name: "lethe", Usage: "a log database for Kubernetes that lives in a bucket", Version: buildVersion(), HideVersion: true,
		UsageText: "lethe [--bucket URL] COMMAND [flags] [arguments]",
		Description: "Each flag has an environment variable, shown behind it, and a key in lethe.yaml: the long name of the flag. A flag wins over the " +
			"variable, the variable over the file.\nResults go to stdout, all else to stderr. The exit code is 0, 1 (failed) or 2 (called in a wrong way).",
		Flags: flags(p.config, common...), Writer: p.stdout, ErrWriter: p.stderr, EnableBashCompletion: true, Suggest: true,
		OnUsageError:   func(_ *cli.Context, err error, _ bool) error { return usage(err) },
		ExitErrHandler: func(*cli.Context, error) {},
		Action:         p.noCommand,
	}
	a.Commands = p.commands()
	for _, c := range a.Commands {
		p.complete(c)
	}
	return a
}

// complete gives a command what all commands share.
func (p *program) complete(c *cli.Command) {
	c.OnUsageError = func(_ *cli.Context, err error, _ bool) error { return usage(err) }
	if len(c.Subcommands) == 0 {
		c.Flags = append(c.Flags, flags(p.config, common...)...)
		c.HideHelpCommand = true
	}
	for _, s := range c.Subcommands {
		p.complete(s)
	}
	if len(c.Subcommands) > 0 && c.Action == nil {
		c.Action = noSubcommand
	}
}

// noSubcommand runs where the arguments name no command of a command that has some.
func noSubcommand(c *cli.Context) error {
	var names []string
	for _, s := range c.Command.Subcommands {
		if s.Name != "help" {
			names = append(names, s.Name)
		}
	}
	if c.NArg() == 0 {
		return usagef("%s takes one of the commands %s", c.Command.Name, strings.Join(names, ", "))
	}
	return usagef("there is no command %q; %s takes one of %s", c.Args().First(), c.Command.Name, strings.Join(names, ", "))
}

// noCommand runs where the arguments name no command: under the runtime of a cloud's functions it serves one.
func (p *program) noCommand(c *cli.Context) error {
	if c.NArg() > 0 {
		name := c.Args().First()
		if near := cli.SuggestCommand(c.App.Commands, name); near != "" {
			return usagef("there is no command %q. %s", name, near)
		}
		return usagef("there is no command %q", name)
	}
	if _, ok := p.lookupEnv(runtimeVariable); ok {
		return p.underRuntime(c.Context)
	}
	cli.HelpPrinter(p.stderr, cli.AppHelpTemplate, c.App)
	return usagef("a command is missing")
}

func (p *program) commands() []*cli.Command {
	return []*cli.Command{
		p.demoCommand(),
		p.serveCommand(),
		p.queryCommand(),
		p.compactCommand(),
		p.importCommand(),
		p.inspectCommand(),
		p.verifyCommand(),
		p.explainCommand(),
		p.labelsCommand(),
		p.seriesCommand(),
		p.alertCommand(),
		p.rulesCommand(),
		p.lambdaCommand(),
		p.fmtCommand(),
		{
			Name: "version", Usage: "print the version",
			Action: p.action(0, 0, func(context.Context, []string) error {
				_, err := fmt.Fprintln(p.stdout, "lethe", buildVersion())
				return err
			}),
		},
		p.completionCommand(),
	}
}

// completionCommand prints what a shell needs to complete the commands and flags.
func (p *program) completionCommand() *cli.Command {
	return &cli.Command{
		Name: "completion", Usage: "print a script that completes commands and flags in a shell", ArgsUsage: "bash|zsh|fish",
		Description:  "bash: source <(lethe completion bash)\nzsh:  source <(lethe completion zsh)\nfish: lethe completion fish | source",
		BashComplete: func(c *cli.Context) { _, _ = fmt.Fprintln(c.App.Writer, "bash\nzsh\nfish") },
		Action: func(c *cli.Context) error {
			shell := c.Args().First()
			switch shell {
			case "bash":
				return write(p.stdout, bashCompletion)
			case "zsh":
				return write(p.stdout, zshCompletion)
			case "fish":
				script, err := c.App.ToFishCompletion()
				if err != nil {
					return err
				}
				return write(p.stdout, script)
			}
			return usagef("completion takes bash, zsh or fish, not %q", shell)
		},
	}
}

func write(w io.Writer, s string) error {
	_, err := io.WriteString(w, strings.TrimPrefix(s, "\n"))
	return err
}

// Both scripts ask for all flags, of which the shell takes those that begin as the word does: a word of two dashes would end the flags.
const bashCompletion = `
_lethe_complete() {
  local cur words
  cur="${COMP_WORDS[COMP_CWORD]}"
  COMPREPLY=()
  if [[ "$cur" == -* ]]; then
    words=$("${COMP_WORDS[@]:0:$COMP_CWORD}" - --generate-bash-completion 2>/dev/null)
  else
    words=$("${COMP_WORDS[@]:0:$COMP_CWORD}" --generate-bash-completion 2>/dev/null)
  fi
  COMPREPLY=($(compgen -W "$words" -- "$cur"))
}
complete -o bashdefault -o default -F _lethe_complete lethe
`

const zshCompletion = `
#compdef lethe
_lethe_complete() {
  local -a found
  local cur=${words[-1]}
  if [[ "$cur" == -* ]]; then
    found=("${(@f)$(${words[@]:0:#words[@]-1} - --generate-bash-completion 2>/dev/null)}")
  else
    found=("${(@f)$(${words[@]:0:#words[@]-1} --generate-bash-completion 2>/dev/null)}")
  fi
  [[ -n "${found[1]}" ]] && _describe 'values' found || _files
}
compdef _lethe_complete lethe
`
