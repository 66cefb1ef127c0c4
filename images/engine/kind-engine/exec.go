package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"

	"golang.org/x/sys/unix"
)

// execMain is `kind-engine exec`: enters the namespaces of the engine that stays, on this thread alone, and starts the
// command from it.
func execMain(h home, command []string) (int, error) {
	dir, err := stayingDir(h)
	if err != nil {
		return 0, err
	}
	pid, err := staying(dir)
	if err != nil {
		return 0, err
	}
	if pid == 0 {
		return 0, fail(exitMissing, "no engine runs in %s: `kind-engine start` starts one", dir)
	}
	cwd, err := os.Getwd()
	if err != nil {
		return 0, err
	}
	// This process is not visible in the engine's /proc.
	self, err := os.Executable()
	if err != nil {
		return 0, err
	}
	if err := enter(pid); err != nil {
		return 0, fmt.Errorf("entering the engine's namespaces: %w", err)
	}
	// Another mount namespace begins at its root: a command's relative path would be looked for there.
	if err := unix.Chdir(cwd); err != nil {
		return 0, fmt.Errorf("entering %s: %w", cwd, err)
	}
	setEnvironment(h)
	path, err := program(command[0])
	if err != nil {
		return 0, err
	}
	return withSignals(self, path, command, &os.ProcAttr{
		Dir: cwd, Env: os.Environ(), Files: []*os.File{os.Stdin, os.Stdout, os.Stderr},
	})
}

// enter moves the calling thread, to which its goroutine must be locked, into the namespaces of a process.
func enter(pid int) error {
	fd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	// A mount namespace can be entered only by a thread that shares its root and working folder with no other.
	if err := unix.Unshare(unix.CLONE_FS); err != nil {
		return err
	}
	return unix.Setns(fd, unix.CLONE_NEWPID|unix.CLONE_NEWNET|unix.CLONE_NEWIPC|unix.CLONE_NEWNS)
}

// program finds a command's program, with a shell's exit codes where it can't.
func program(name string) (string, error) {
	path, err := exec.LookPath(name)
	if errors.Is(err, exec.ErrNotFound) {
		return "", failure{127, err}
	}
	if err != nil {
		return "", failure{126, err}
	}
	return path, nil
}

// setEnvironment makes this process's environment that of the engine and of its commands.
func setEnvironment(h home) {
	for _, name := range []string{
		// Another engine.
		"DOCKER_CONTEXT", "DOCKER_TLS_VERIFY", "DOCKER_CERT_PATH", "DOCKER_API_VERSION",
		// No proxy can be reached from here, and kind would tell its nodes to use one.
		"HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy",
	} {
		os.Unsetenv(name)
	}
	os.Setenv("DOCKER_HOST", "unix://"+socketPath)
	os.Setenv("FLATNET_KIND_DIR", string(h))
	os.Setenv("FLATNET_KIND_NODE_IMAGE", nodeImage(h))
	// dockerd looks for iptables, which is not on every user's PATH.
	os.Setenv("PATH", h.path("bin")+":"+h.path("docker")+":"+os.Getenv("PATH")+":/usr/sbin:/sbin")
}
