package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"
)

const verbInit = "init"

// Whether an engine runs for one command or until it is stopped.
const (
	modeRun  = "run"
	modeStay = "stay"
)

// Descriptors the supervisor hands over.
const (
	fdWords = 3 + iota
	fdReady
	fdLock
)

// inner is the engine as its init sees it.
type inner struct {
	home     home
	dir      string // the slot's
	cgroups  string // the parent of its containers' cgroups
	words    *os.File
	ready    *os.File
	children reaper
	stops    chan os.Signal
}

// initMain is process 1 of the engine's namespaces. When it ends, the kernel kills everything in them.
func initMain(args []string) (int, error) {
	mode, command := args[0], args[3:]
	e := inner{
		home: home(args[1]), dir: args[2],
		words: os.NewFile(fdWords, "words"), ready: os.NewFile(fdReady, "ready"),
		stops: make(chan os.Signal, 16),
	}
	for fd := fdWords; fd <= fdLock; fd++ {
		unix.CloseOnExec(fd)
	}
	if _, err := e.words.Read(make([]byte, 1)); err != nil {
		return 0, errors.New("its supervisor died before it began")
	}
	// Only from outside this process has the number that is its own on the whole machine.
	text, err := os.ReadFile(filepath.Join(e.dir, "pid"))
	if err != nil {
		return 0, err
	}
	pid, err := strconv.Atoi(string(text))
	if err != nil {
		return 0, err
	}
	e.cgroups = cgroupParent(pid)
	signal.Notify(e.stops, forwarded...)
	setEnvironment(e.home)
	// It waits for its own programs, and the reaper would bury them first.
	if err := arrange(); err != nil {
		return 0, err
	}
	e.children.start()

	var daemon *daemon
	booted := make(chan error, 1)
	go func() {
		var err error
		daemon, err = e.boot()
		booted <- err
	}()
	select {
	case err := <-booted:
		if err != nil {
			return 0, err
		}
	case stop := <-e.stops:
		return 128 + int(stop.(syscall.Signal)), nil
	}

	code := 0
	if mode == modeStay {
		err = e.stay(daemon)
	} else {
		code, err = e.serve(command, daemon)
	}
	if err != nil {
		return 0, err
	}
	// Containers would start again with the next engine of this slot.
	if err := removeContainers(context.Background()); err != nil {
		return 0, err
	}
	daemon.stop()
	return code, nil
}

// boot starts what an engine is made of, and gives it the node image.
func (e *inner) boot() (*daemon, error) {
	if err := answerNames(); err != nil {
		return nil, fmt.Errorf("a name server for the engine: %w", err)
	}
	daemon, err := e.startDaemon()
	if err != nil {
		return nil, err
	}
	if err := loadNodeImage(context.Background(), e.home); err != nil {
		return nil, fmt.Errorf("loading the node image: %w", err)
	}
	return daemon, nil
}

// stay reports that the engine runs, and returns when it is asked to stop.
func (e *inner) stay(daemon *daemon) error {
	if _, err := e.ready.WriteString("ready\n"); err != nil {
		return err
	}
	if _, err := e.words.Read(make([]byte, 1)); err != nil {
		return errors.New("its supervisor died before it was ready")
	}
	select {
	case <-e.stops:
		return nil
	case <-daemon.dead:
		return daemon.death()
	}
}

// serve runs the command; it fails immediately if the engine dies.
func (e *inner) serve(command []string, daemon *daemon) (int, error) {
	path, err := program(command[0])
	if err != nil {
		return 0, err
	}
	cwd, err := os.Getwd()
	if err != nil {
		return 0, err
	}
	group := ownGroup()
	process, ended, err := e.children.spawn(path, command, &os.ProcAttr{
		Dir: cwd, Env: os.Environ(), Files: []*os.File{os.Stdin, os.Stdout, os.Stderr},
		Sys: &syscall.SysProcAttr{Setpgid: group},
	})
	if err != nil {
		return 0, err
	}
	go forward(e.stops, recipient(process.Pid, group))
	select {
	case status := <-ended:
		if status.Signaled() {
			return 128 + int(status.Signal()), nil
		}
		return status.ExitStatus(), nil
	case <-daemon.dead:
		return 0, daemon.death()
	}
}
