package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"
)

// engine is an init as its supervisor sees it.
type engine struct {
	init     *os.Process
	watchdog *os.Process
	words    *os.File // to the init: one byte for "go" and, to an engine that stays, one for "stay"
	ready    *os.File // from the init: one line when the engine runs
}

// launch starts an init in new namespaces, and a watchdog that outlives it. The init does nothing before the watchdog is there.
func launch(h home, s *slot, mode string, command []string) (*engine, error) {
	wordsIn, wordsOut, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	readyIn, readyOut, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	cwd, err := os.Getwd()
	if err != nil {
		return nil, err
	}
	sys := &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWPID | unix.CLONE_NEWNS | unix.CLONE_NEWNET | unix.CLONE_NEWIPC}
	stdin, stdout, stderr := os.Stdin, os.Stdout, os.Stderr
	if mode == modeRun {
		// Killed however: the init goes too, and with it all its namespace holds.
		sys.Pdeathsig = syscall.SIGKILL
		sys.Setpgid = ownGroup()
	} else {
		sys.Setsid = true
		if stdin, err = os.Open(os.DevNull); err != nil {
			return nil, err
		}
		// Whoever waits for the end of this program's output is not to wait for the engine's.
		if stdout, err = os.Create(s.path("engine.log")); err != nil {
			return nil, err
		}
		stderr = stdout
	}
	if err := os.Remove(s.path("pid")); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	args := append([]string{self, verbInit, mode, string(h), s.dir}, command...)
	e := &engine{words: wordsOut, ready: readyIn}
	e.init, err = os.StartProcess(self, args, &os.ProcAttr{
		Dir: cwd, Env: os.Environ(), Sys: sys,
		Files: []*os.File{stdin, stdout, stderr, wordsIn, readyOut, s.lock},
	})
	if err != nil {
		if errors.Is(err, unix.EPERM) {
			return nil, fail(exitMissing, "needs to make namespaces: %v", err)
		}
		return nil, err
	}
	wordsIn.Close()
	readyOut.Close()
	s.lock.Close()
	if err := os.WriteFile(s.path("pid"), []byte(strconv.Itoa(e.init.Pid)), 0o600); err != nil {
		return nil, err
	}
	if e.watchdog, err = startWatchdog(self, e.init.Pid, s.dir); err != nil {
		return nil, err
	}
	_, err = wordsOut.Write([]byte{'g'})
	return e, err
}

// end waits until the init is dead and the watchdog has removed what was left.
func (e *engine) end() (int, error) {
	state, err := e.init.Wait()
	if err != nil {
		return 0, err
	}
	if _, err := e.watchdog.Wait(); err != nil {
		return 0, err
	}
	return exitCode(state), nil
}

func exitCode(state *os.ProcessState) int {
	if status := state.Sys().(syscall.WaitStatus); status.Signaled() {
		return 128 + int(status.Signal())
	}
	return state.ExitCode()
}

// runMain is `kind-engine run`.
func runMain(h home, command []string) (int, error) {
	s, err := claimAny(h)
	if err != nil {
		return 0, err
	}
	// From here on signals are the command's.
	signals := make(chan os.Signal, 16)
	signal.Notify(signals, forwarded...)
	e, err := launch(h, s, modeRun, command)
	if err != nil {
		return 0, err
	}
	go forward(signals, e.init.Pid)
	return e.end()
}

// startMain is `kind-engine start`.
func startMain(h home) error {
	dir, err := stayingDir(h)
	if err != nil {
		return err
	}
	s, err := claim(dir)
	if errors.Is(err, errBusy) {
		return refresh(h, dir)
	}
	if err != nil {
		return err
	}
	e, err := launch(h, s, modeStay, nil)
	if err != nil {
		return err
	}
	if _, err := bufio.NewReader(e.ready).ReadString('\n'); err != nil {
		_, err := e.end()
		said, readErr := os.ReadFile(filepath.Join(dir, "engine.log"))
		return errors.Join(fail(exitFailed, "the engine did not come up: %s", bytes.TrimSpace(said)), err, readErr)
	}
	_, err = e.words.Write([]byte{'s'})
	return err
}

// refresh gives an engine that runs the node image of today.
func refresh(h home, dir string) error {
	fmt.Fprintf(os.Stderr, "kind-engine: already running in %s\n", dir)
	self, err := os.Executable()
	if err != nil {
		return err
	}
	code, err := execMain(h, []string{self, verbLoad})
	if err == nil && code != 0 {
		err = errors.New("the engine that runs did not take the node image")
	}
	return err
}

// stopMain is `kind-engine stop`.
func stopMain(h home) error {
	dir, err := stayingDir(h)
	if err != nil {
		return err
	}
	pid, err := staying(dir)
	if err != nil || pid == 0 {
		return err
	}
	fd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	if err := unix.PidfdSendSignal(fd, unix.SIGTERM, nil, 0); err != nil {
		return err
	}
	waitPidfd(fd)
	// The watchdog releases its lock when it has removed the rest.
	return waitWatchdog(dir)
}

// waitPidfd returns when the process is dead.
func waitPidfd(fd int) {
	for {
		n, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, -1)
		if n > 0 || (err != nil && !errors.Is(err, unix.EINTR)) {
			return
		}
	}
}
