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
	"time"

	"golang.org/x/sys/unix"
)

const verbInit = "init"

// Whether an engine lives for one command or until it is told to stop.
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

// initMain is process 1 of the engine's namespaces. When it ends, the kernel kills everything in them.
func initMain(args []string) (int, error) {
	mode, h, dir, command := args[0], home(args[1]), args[2], args[3:]
	words, ready := os.NewFile(fdWords, "words"), os.NewFile(fdReady, "ready")
	for fd := fdWords; fd <= fdLock; fd++ {
		unix.CloseOnExec(fd)
	}
	if _, err := words.Read(make([]byte, 1)); err != nil {
		return 0, errors.New("its supervisor died before it began")
	}
	outside, err := os.ReadFile(filepath.Join(dir, "pid"))
	if err != nil {
		return 0, err
	}
	pid, err := strconv.Atoi(string(outside))
	if err != nil {
		return 0, err
	}
	var children reaper
	children.start()

	if err := arrange(); err != nil {
		return 0, err
	}
	if err := answerNames(); err != nil {
		return 0, fmt.Errorf("a name server for the engine: %w", err)
	}
	daemon, err := startDaemon(h, dir, cgroupParent(pid), &children)
	if err != nil {
		return 0, err
	}
	if err := loadNodeImage(h); err != nil {
		return 0, fmt.Errorf("loading the node image: %w", err)
	}

	code := 0
	if mode == modeStay {
		if code, err = stay(words, ready, daemon); err != nil {
			return 0, err
		}
	} else if code, err = serve(h, command, daemon, &children); err != nil {
		return code, err
	}
	// Containers would start again with the next engine of this slot.
	if err := removeContainers(); err != nil {
		return code, err
	}
	daemon.stop()
	return code, nil
}

// stay says that the engine runs, and waits until it is told to end.
func stay(words, ready *os.File, daemon *daemon) (int, error) {
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM, syscall.SIGINT)
	if _, err := ready.WriteString("ready\n"); err != nil {
		return 0, err
	}
	if _, err := words.Read(make([]byte, 1)); err != nil {
		return 0, errors.New("its supervisor died before it was ready")
	}
	select {
	case <-stop:
		return 0, nil
	case <-daemon.dead:
		return 0, daemon.death()
	}
}

// serve runs the command; it fails at once where the engine dies under it.
func serve(h home, command []string, daemon *daemon, children *reaper) (int, error) {
	path, env, err := prepare(h, command[0])
	if err != nil {
		return 0, err
	}
	cwd, err := os.Getwd()
	if err != nil {
		return 0, err
	}
	signals := make(chan os.Signal, 16)
	signal.Notify(signals, forwarded...)
	group := ownGroup()
	process, ended, err := children.spawn(path, command, &os.ProcAttr{
		Dir: cwd, Env: env, Files: []*os.File{os.Stdin, os.Stdout, os.Stderr},
		Sys: &syscall.SysProcAttr{Setpgid: group},
	})
	if err != nil {
		return 0, err
	}
	go forward(signals, recipient(process.Pid, group))
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

func startDaemon(h home, dir, cgroups string, children *reaper) (*daemon, error) {
	if err := forgetRestarts(filepath.Join(dir, "data")); err != nil {
		return nil, err
	}
	config, err := writeConfiguration(h, dir, cgroups)
	if err != nil {
		return nil, err
	}
	log, err := os.Create(filepath.Join(dir, "dockerd.log"))
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
	program := h.path("docker", "dockerd")
	// The terminal's Ctrl-C is for the command; dockerd ends after it.
	var ended <-chan syscall.WaitStatus
	d.process, ended, err = children.spawn(program, []string{program, "--config-file", config}, &os.ProcAttr{
		Dir: "/", Env: environment(h), Files: []*os.File{null, log, log}, Sys: &syscall.SysProcAttr{Setsid: true},
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
		if err = ping(); err == nil {
			return d, removeContainers()
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

// reaper buries every process that is left to process 1, and tells those who wait for one.
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
