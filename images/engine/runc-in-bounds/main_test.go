package main

import (
	"os"
	"path/filepath"
	"testing"
)

func TestOneCapabilityIsTakenOut(t *testing.T) {
	for name, c := range map[string]struct {
		keys          []string
		before, after string
	}{
		"a bundle": {
			[]string{"process"},
			`{"process":{"capabilities":{"bounding":["CAP_KILL","CAP_SYS_RESOURCE"],"effective":["CAP_SYS_RESOURCE"]}},"big":9007199254740993}`,
			`{"big":9007199254740993,"process":{"capabilities":{"bounding":["CAP_KILL"],"effective":[]}}}`,
		},
		"a process":              {nil, `{"capabilities":{"bounding":["CAP_SYS_RESOURCE","CAP_KILL"]}}`, `{"capabilities":{"bounding":["CAP_KILL"]}}`},
		"without capabilities":   {nil, `{"cwd":"/"}`, `{"cwd":"/"}`},
		"a bundle of no process": {[]string{"process"}, `{"hostname":"a"}`, `{"hostname":"a"}`},
	} {
		file := filepath.Join(t.TempDir(), "config.json")
		if err := os.WriteFile(file, []byte(c.before), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := edit(file, c.keys...); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if after, err := os.ReadFile(file); err != nil || string(after) != c.after {
			t.Errorf("%s became %s, %v", name, after, err)
		}
	}
}

func TestOptionsInBothSpellings(t *testing.T) {
	for want, args := range map[string][]string{
		"/a": {"--root", "/r", "create", "--bundle", "/a", "--pid-file", "/p", "id"},
		"/b": {"create", "--bundle=/b", "id"},
		"/c": {"create", "-b", "/c", "id"},
		"":   {"delete", "--force", "id"},
	} {
		if got := option(args, "--bundle", "-b"); got != want {
			t.Errorf("%v: bundle %q", args, got)
		}
	}
}
