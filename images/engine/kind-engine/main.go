// kind-engine runs a container engine on a machine without one: dockerd, everything it starts, and the command
// that uses it run in network, mount and pid namespaces without access to other networks, and end together.
//
//	kind-engine run -- CMD…     runs an engine for one command
//	kind-engine start           starts an engine that keeps running
//	kind-engine exec -- CMD…    runs a command with that engine
//	kind-engine stop            stops it
//
// Processes, from the outside in: the supervisor is what the user started; the cleanup watchdog outlives the others and removes what a
// dead engine left on the machine; the init is process 1 of the namespaces, which the kernel empties when it ends.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
)

// Exit codes are flatnet's: 2 wrong usage, 3 something the run needs is missing, 4 the engine did not come up.
const (
	exitUsage   = 2
	exitMissing = 3
	exitFailed  = 4
)

const usage = `usage: kind-engine run -- CMD [ARG…]    start an engine, run CMD with it, stop the engine
       kind-engine start               start an engine that keeps running
       kind-engine exec -- CMD [ARG…]  run CMD with that engine
       kind-engine stop                stop it
CMD finds docker, kind and kubectl on its PATH, and has no network access outside this machine.
FLATNET_KIND_DIR is the directory with what kind-image built, in which engines keep their images;
FLATNET_KIND_ENGINE names the engine that keeps running, if you need more than one.

Example:
       kind-engine run -- flatnet test --provider kind --cni flannel
`

// A failure with its own exit code.
type failure struct {
	code int
	err  error
}

func (f failure) Error() string { return f.err.Error() }
func (f failure) Unwrap() error { return f.err }

func fail(code int, format string, args ...any) error {
	return failure{code, fmt.Errorf(format, args...)}
}

// The main thread starts every process that is to die with this one: the kernel ties that to the thread, not the process.
func init() { runtime.LockOSThread() }

func main() {
	code, err := dispatch(os.Args[1:])
	if err != nil {
		fmt.Fprintf(os.Stderr, "error: kind-engine: %v\n", err)
		var f failure
		if code = exitFailed; errors.As(err, &f) {
			code = f.code
		}
	}
	os.Exit(code)
}

func dispatch(args []string) (int, error) {
	if len(args) == 0 {
		args = []string{""}
	}
	verb, rest := args[0], args[1:]
	switch verb {
	case "help", "-h", "--help":
		fmt.Print(usage)
		return 0, nil
	case verbInit:
		return initMain(rest)
	case verbWatchdog:
		return 0, watchdogMain(rest)
	case verbChild:
		return exitFailed, childMain(rest)
	}
	home, err := findHome()
	if err != nil {
		return 0, err
	}
	switch verb {
	case verbLoad:
		return 0, loadNodeImage(context.Background(), home)
	case "run", "exec":
		if len(rest) > 0 && rest[0] == "--" {
			rest = rest[1:]
		}
		if len(rest) == 0 {
			return 0, fail(exitUsage, "%s needs a command\n%s", verb, usage)
		}
		if err := needRoot(); err != nil {
			return 0, err
		}
		if verb == "exec" {
			return execMain(home, rest)
		}
		return runMain(home, rest)
	case "start":
		if err := needRoot(); err != nil {
			return 0, err
		}
		return 0, startMain(home)
	case "stop":
		if err := needRoot(); err != nil {
			return 0, err
		}
		return 0, stopMain(home)
	}
	return 0, fail(exitUsage, "unknown command %q\n%s", verb, usage)
}

func needRoot() error {
	if os.Geteuid() != 0 {
		return fail(exitMissing, "needs root: it makes namespaces and runs dockerd in them")
	}
	return nil
}

// home is the folder that kind-image fills.
type home string

func findHome() (home, error) {
	dir := os.Getenv("FLATNET_KIND_DIR")
	if dir == "" {
		cache, err := os.UserCacheDir()
		if err != nil {
			return "", fail(exitMissing, "needs FLATNET_KIND_DIR, or HOME for its default")
		}
		dir = filepath.Join(cache, "flatnet", "kind")
	}
	dir, err := filepath.Abs(dir)
	if err != nil {
		return "", err
	}
	for _, name := range []string{"docker/dockerd", "bin/kind", "node.tar"} {
		if _, err := os.Stat(filepath.Join(dir, name)); err != nil {
			return "", fail(exitMissing, "%s is missing in %s: run `make kind-image`", name, dir)
		}
	}
	return home(dir), nil
}

func (h home) path(names ...string) string {
	return filepath.Join(append([]string{string(h)}, names...)...)
}
