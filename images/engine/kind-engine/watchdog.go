package main

import (
	"bufio"
	"errors"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

const verbWatchdog = "watchdog"

// What namespaces do not remove when they end.
const (
	// The engine's cgroups are those below this one, so that nothing else is ever touched.
	cgroupPrefix = "flatnet-engine-"
	// kind gives each node the machine's kernel modules; docker creates the directory if the machine has none.
	modulesDir = "/lib/modules"
	// How long a dead container's cgroup may stay busy.
	cgroupPatience = 10 * time.Second
)

func cgroupParent(pid int) string { return "/" + cgroupPrefix + strconv.Itoa(pid) }

// startWatchdog starts a process that ends only after the init. It holds the slot's watchdog.lock until then.
func startWatchdog(self string, pid int, slotDir string) (*os.Process, error) {
	fd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		return nil, err
	}
	init := os.NewFile(uintptr(fd), "init")
	defer init.Close()
	lock, err := os.OpenFile(filepath.Join(slotDir, "watchdog.lock"), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	defer lock.Close()
	if err := unix.Flock(int(lock.Fd()), unix.LOCK_EX); err != nil {
		return nil, err
	}
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	defer null.Close()
	modules := "keep"
	if _, err := os.Stat(modulesDir); errors.Is(err, os.ErrNotExist) {
		modules = "remove"
	}
	return os.StartProcess(self, []string{self, verbWatchdog, strconv.Itoa(pid), modules}, &os.ProcAttr{
		Dir: "/", Env: []string{}, Sys: &syscall.SysProcAttr{Setsid: true},
		Files: []*os.File{null, null, null, init, lock},
	})
}

// waitWatchdog returns when the watchdog of a slot's last engine is done.
func waitWatchdog(slotDir string) error {
	lock, err := os.OpenFile(filepath.Join(slotDir, "watchdog.lock"), os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer lock.Close()
	return unix.Flock(int(lock.Fd()), unix.LOCK_EX)
}

func watchdogMain(args []string) error {
	signal.Ignore(syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT)
	pid, err := strconv.Atoi(args[0])
	if err != nil {
		return err
	}
	waitPidfd(3)
	hierarchies, err := cgroupMounts()
	for _, hierarchy := range hierarchies {
		err = errors.Join(err, removeCgroups(hierarchy+cgroupParent(pid)))
	}
	if args[1] == "remove" {
		// Only if it is still empty.
		_ = unix.Rmdir(modulesDir)
	}
	return err
}

// cgroupMounts returns the mount points of the machine's cgroup hierarchies.
func cgroupMounts() ([]string, error) {
	file, err := os.Open("/proc/self/mounts")
	if err != nil {
		return nil, err
	}
	defer file.Close()
	var mounts []string
	lines := bufio.NewScanner(file)
	for lines.Scan() {
		if fields := strings.Fields(lines.Text()); len(fields) > 2 && strings.HasPrefix(fields[2], "cgroup") {
			mounts = append(mounts, fields[1])
		}
	}
	return mounts, lines.Err()
}

// removeCgroups removes a cgroup and those within. Its processes are dead but may not be reaped yet.
func removeCgroups(dir string) error {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, entry := range entries {
		if entry.IsDir() {
			err = errors.Join(err, removeCgroups(filepath.Join(dir, entry.Name())))
		}
	}
	if err != nil {
		return err
	}
	for deadline := time.Now().Add(cgroupPatience); ; time.Sleep(20 * time.Millisecond) {
		err = unix.Rmdir(dir)
		if !errors.Is(err, unix.EBUSY) || time.Now().After(deadline) {
			return err
		}
	}
}
