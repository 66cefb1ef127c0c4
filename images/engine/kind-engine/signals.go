package main

import (
	"errors"
	"os"
	"os/signal"
	"syscall"

	"golang.org/x/sys/unix"
)

// What someone who stops a command sends to the program he started.
var forwarded = []os.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT, syscall.SIGUSR1, syscall.SIGUSR2}

// atTerminal says whether this process is in the foreground of a terminal, which then signals every process by itself.
func atTerminal() bool {
	group, err := unix.IoctlGetInt(int(os.Stdin.Fd()), unix.TIOCGPGRP)
	return err == nil && group == unix.Getpgrp()
}

// forward hands signals on to a process, or to a whole group, which is a negative number to kill(2). Those of a terminal
// have reached everyone already.
func forward(signals <-chan os.Signal, to int) {
	for s := range signals {
		if (s == syscall.SIGINT || s == syscall.SIGQUIT) && atTerminal() {
			continue
		}
		// It may have ended meanwhile, which its waiter notices.
		_ = unix.Kill(to, s.(syscall.Signal))
	}
}

// A command is a process group of its own, which gets every signal that its starter gets. At a terminal it stays in the
// foreground group, to which the terminal speaks.
func ownGroup() bool { return !atTerminal() }

// recipient is the process to signal for a command.
func recipient(pid int, ownGroup bool) int {
	if ownGroup {
		return -pid
	}
	return pid
}

// withSignals starts a process that gets this one's signals and dies with it, and waits for it. self is this program.
func withSignals(self, path string, args []string, attr *os.ProcAttr) (int, error) {
	alive, mine, err := os.Pipe()
	if err != nil {
		return 0, err
	}
	defer mine.Close()
	signals := make(chan os.Signal, 16)
	signal.Notify(signals, forwarded...)
	attr.Files = append(attr.Files, alive)
	group := ownGroup()
	attr.Sys = &syscall.SysProcAttr{Setpgid: group}
	process, err := os.StartProcess(self, append([]string{self, verbChild, path}, args...), attr)
	if err != nil {
		return 0, err
	}
	go forward(signals, recipient(process.Pid, group))
	state, err := process.Wait()
	if err != nil {
		return 0, err
	}
	return exitCode(state), nil
}

const verbChild = "child"

// childMain makes this process die with its parent, then becomes the command. Go's own way of tying a child to its parent
// compares process ids, which mean nothing between pid namespaces; here a pipe shows whether the parent lives.
func childMain(args []string) error {
	const alive = 3
	if err := unix.Prctl(unix.PR_SET_PDEATHSIG, uintptr(unix.SIGKILL), 0, 0, 0); err != nil {
		return err
	}
	poll := []unix.PollFd{{Fd: alive, Events: unix.POLLIN}}
	if n, err := unix.Poll(poll, 0); err != nil || n > 0 {
		return errors.Join(errors.New("its parent died"), err)
	}
	unix.CloseOnExec(alive)
	return syscall.Exec(args[0], args[1:], os.Environ())
}
