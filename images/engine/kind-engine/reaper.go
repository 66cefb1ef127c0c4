package main

import (
	"errors"
	"os"
	"os/signal"
	"syscall"
)

// reaper reaps every process that process 1 inherits, and notifies its waiters.
type reaper struct {
	calls chan func(map[int]chan syscall.WaitStatus)
}

func (r *reaper) start() {
	r.calls = make(chan func(map[int]chan syscall.WaitStatus))
	died := make(chan os.Signal, 1)
	signal.Notify(died, syscall.SIGCHLD)
	go func() {
		waiting := map[int]chan syscall.WaitStatus{}
		for {
			select {
			case call := <-r.calls:
				call(waiting)
			case <-died:
				bury(waiting)
			}
		}
	}()
}

func bury(waiting map[int]chan syscall.WaitStatus) {
	for {
		var status syscall.WaitStatus
		pid, err := syscall.Wait4(-1, &status, syscall.WNOHANG, nil)
		if errors.Is(err, syscall.EINTR) {
			continue
		}
		if pid <= 0 {
			return
		}
		if ended, ok := waiting[pid]; ok {
			ended <- status
			delete(waiting, pid)
		}
	}
}

// spawn starts a process; its status comes once. No child is buried between its birth and its entry in the book.
func (r *reaper) spawn(path string, args []string, attr *os.ProcAttr) (*os.Process, <-chan syscall.WaitStatus, error) {
	var process *os.Process
	var err error
	ended, done := make(chan syscall.WaitStatus, 1), make(chan struct{})
	r.calls <- func(waiting map[int]chan syscall.WaitStatus) {
		if process, err = os.StartProcess(path, args, attr); err == nil {
			waiting[process.Pid] = ended
		}
		close(done)
	}
	<-done
	return process, ended, err
}
