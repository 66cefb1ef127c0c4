// runc-in-bounds stands before runc where this machine's capability bounding set lacks CAP_SYS_RESOURCE: a privileged
// container asks for every capability there is, and runc refuses what it cannot give. It takes that one out of the
// container's description and becomes runc.
package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
)

const lacking = "CAP_SYS_RESOURCE"

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintf(os.Stderr, "runc-in-bounds: %v\n", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if bundle := option(args, "--bundle", "-b"); bundle != "" {
		if err := edit(filepath.Join(bundle, "config.json"), "process"); err != nil {
			return err
		}
	}
	if process := option(args, "--process", "-p"); process != "" {
		if err := edit(process); err != nil {
			return err
		}
	}
	runc, err := exec.LookPath("runc")
	if err != nil {
		return err
	}
	return syscall.Exec(runc, append([]string{runc}, args...), os.Environ())
}

// option finds the value of an option in either of its spellings, `--long value`, `--long=value` and `-s value`.
func option(args []string, long, short string) string {
	for i, arg := range args {
		if value, ok := strings.CutPrefix(arg, long+"="); ok {
			return value
		}
		if (arg == long || arg == short) && i+1 < len(args) {
			return args[i+1]
		}
	}
	return ""
}

// edit takes the capability out of every set of the process described in a file, found under the keys given.
func edit(file string, keys ...string) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	// Numbers stay as they are written: some do not fit a float.
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	var whole map[string]any
	if err := decoder.Decode(&whole); err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	process := whole
	for _, key := range keys {
		process, _ = process[key].(map[string]any)
	}
	sets, _ := process["capabilities"].(map[string]any)
	for name, set := range sets {
		names, _ := set.([]any)
		kept := make([]any, 0, len(names))
		for _, capability := range names {
			if capability != lacking {
				kept = append(kept, capability)
			}
		}
		sets[name] = kept
	}
	if text, err = json.Marshal(whole); err != nil {
		return err
	}
	return os.WriteFile(file, text, 0o600)
}
