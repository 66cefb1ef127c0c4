package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// A cluster takes about 55 of the 128 inotify instances a kernel grants by default.
const inotifyInstances = 1024

// arrange makes the new namespaces a place to live in: own /proc, own /run, a loopback interface.
func arrange() error {
	// What is mounted here stays here; what the machine mounts later still shows up.
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_SLAVE, ""); err != nil {
		return fmt.Errorf("mounts of its own: %w", err)
	}
	if err := unix.Mount("proc", "/proc", "proc", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, ""); err != nil {
		return fmt.Errorf("a /proc of its own: %w", err)
	}
	// Sockets, network namespaces and shims of this engine are in /run, and so would another engine's be.
	if err := privateRun(); err != nil {
		return fmt.Errorf("a /run of its own: %w", err)
	}
	for _, args := range [][]string{
		{"link", "set", "lo", "up"},
		{"address", "add", nameServer + "/32", "dev", "lo", "scope", "host"},
	} {
		if out, err := exec.Command("ip", args...).CombinedOutput(); err != nil {
			return fmt.Errorf("ip %s: %w: %s", strings.Join(args, " "), err, out)
		}
	}
	raiseInotify()
	// As many files as may be: a node's processes inherit the limit.
	var files unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &files); err == nil {
		files.Cur = files.Max
		_ = unix.Setrlimit(unix.RLIMIT_NOFILE, &files)
	}
	return nil
}

// privateRun covers /run, all but the folders of logged-in users.
func privateRun() error {
	const users = "/run/user"
	kept, err := unix.Open(users, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil && !errors.Is(err, unix.ENOENT) {
		return err
	}
	if err := unix.Mount("tmpfs", "/run", "tmpfs", unix.MS_NOSUID|unix.MS_NODEV, "mode=755"); err != nil {
		return err
	}
	if err := os.Mkdir("/run/lock", 0o1777); err != nil || kept < 0 {
		return err
	}
	defer unix.Close(kept)
	if err := os.Mkdir(users, 0o755); err != nil {
		return err
	}
	return unix.Mount(filepath.Join("/proc/self/fd", strconv.Itoa(kept)), users, "", unix.MS_BIND|unix.MS_REC, "")
}

// raiseInotify allows several clusters at once. Without it a machine has room for two.
func raiseInotify() {
	const file = "/proc/sys/fs/inotify/max_user_instances"
	text, err := os.ReadFile(file)
	if err != nil {
		return
	}
	now, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil || now >= inotifyInstances {
		return
	}
	if err := os.WriteFile(file, []byte(strconv.Itoa(inotifyInstances)), 0); err != nil {
		fmt.Fprintf(os.Stderr, "kind-engine: fs.inotify.max_user_instances stays %d, enough for two clusters: %v\n", now, err)
	}
}

// inBounds says whether a capability, by its number, is in this machine's bounding set.
func inBounds(capability uint) (bool, error) {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return false, err
	}
	for _, line := range strings.Split(string(status), "\n") {
		if set, ok := strings.CutPrefix(line, "CapBnd:"); ok {
			bits, err := strconv.ParseUint(strings.TrimSpace(set), 16, 64)
			return bits&(1<<capability) != 0, err
		}
	}
	return false, errors.New("/proc/self/status names no bounding set")
}
