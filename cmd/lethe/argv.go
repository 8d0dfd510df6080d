package main

import (
	"regexp"
	"runtime"
	"strings"
	"unsafe"
)

// userInfo finds what may stand for users and passwords in URLs, broken ones and lists of them included.
var userInfo = regexp.MustCompile(`(?s)://(.*)@`)

// takeArguments returns a copy of the arguments, and blots out users and passwords of URLs in the originals, which are the memory that the list of
// processes shows. What the shell keeps of its history, and whoever looked before, is out of its reach.
//
// The strings must be those of os.Args as the runtime made them: Linux and macOS hand them over in memory that may be written to. On other
// systems the originals stay.
func takeArguments(argv []string) []string {
	taken := make([]string, len(argv))
	for i, arg := range argv {
		taken[i] = strings.Clone(arg)
		if runtime.GOOS != "linux" && runtime.GOOS != "darwin" {
			continue
		}
		if at := userInfo.FindStringSubmatchIndex(arg); at != nil {
			blot(arg[at[2]:at[3]])
		}
	}
	return taken
}

// blot overwrites the bytes of a string.
func blot(s string) {
	if s == "" {
		return
	}
	//nolint:gosec // The one way to what the kernel shows: nobody else has the string, and takeArguments says whose memory it is.
	b := unsafe.Slice(unsafe.StringData(s), len(s))
	for i := range b {
		b[i] = 'x'
	}
}
