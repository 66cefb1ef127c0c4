package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

// daemon is dockerd.
type daemon struct {
	process *os.Process
	dead    chan struct{}
	log     string
}

// How long dockerd may take to come up on a busy machine, and to end.
const (
	daemonPatience = 90 * time.Second
	stopPatience   = 10 * time.Second
)

func (e *inner) startDaemon() (*daemon, error) {
	if err := forgetRestarts(filepath.Join(e.dir, "data")); err != nil {
		return nil, err
	}
	config, err := writeConfiguration(e.home, e.dir, e.cgroups)
	if err != nil {
		return nil, err
	}
	log, err := os.Create(filepath.Join(e.dir, "dockerd.log"))
	if err != nil {
		return nil, err
	}
	defer log.Close()
	null, err := os.Open(os.DevNull)
	if err != nil {
		return nil, err
	}
	defer null.Close()
	d := &daemon{dead: make(chan struct{}), log: log.Name()}
	program := e.home.path("docker", "dockerd")
	// The terminal's Ctrl-C is for the command; dockerd ends after it.
	var ended <-chan syscall.WaitStatus
	d.process, ended, err = e.children.spawn(program, []string{program, "--config-file", config}, &os.ProcAttr{
		Dir: "/", Env: os.Environ(), Files: []*os.File{null, log, log}, Sys: &syscall.SysProcAttr{Setsid: true},
	})
	if err != nil {
		return nil, err
	}
	go func() {
		<-ended
		close(d.dead)
	}()
	for deadline := time.Now().Add(daemonPatience); ; time.Sleep(50 * time.Millisecond) {
		select {
		case <-d.dead:
			return nil, d.death()
		default:
		}
		if err = ping(context.Background()); err == nil {
			return d, removeContainers(context.Background())
		}
		if time.Now().After(deadline) {
			return nil, fmt.Errorf("dockerd does not answer (%w): %s says more", err, d.log)
		}
	}
}

func (d *daemon) stop() {
	_ = d.process.Signal(syscall.SIGTERM)
	select {
	case <-d.dead:
	case <-time.After(stopPatience):
		// It dies with this process.
	}
}

// death is what dockerd said last.
func (d *daemon) death() error {
	text, _ := os.ReadFile(d.log)
	var last bytes.Buffer
	lines := bufio.NewScanner(bytes.NewReader(text[max(0, len(text)-2000):]))
	for lines.Scan() {
		last.WriteString("\n  " + lines.Text())
	}
	return fmt.Errorf("dockerd ended; its last words, from %s:%s", d.log, last.String())
}
