package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// A slot is a folder in which one engine at a time keeps its images: loading a node image costs many seconds, so they
// outlive the engine. Its lock is held by the engine's init, and free when that is dead, however it died.
type slot struct {
	dir  string
	lock *os.File
}

var errBusy = errors.New("an engine is running here")

// claim locks a slot; errBusy where an engine lives in it.
func claim(dir string) (*slot, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	lock, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(lock.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		lock.Close()
		if errors.Is(err, unix.EWOULDBLOCK) {
			return nil, errBusy
		}
		return nil, fmt.Errorf("%s: %w", lock.Name(), err)
	}
	return &slot{dir, lock}, nil
}

// claimAny locks the first free slot, for engines of one command: several may run at a time.
func claimAny(h home) (*slot, error) {
	for n := 1; ; n++ {
		s, err := claim(h.path("engine-run", strconv.Itoa(n)))
		if !errors.Is(err, errBusy) {
			return s, err
		}
	}
}

// stayingDir is the slot of the engine that stays, or of another one by a name that no number can be.
func stayingDir(h home) (string, error) {
	name := os.Getenv("FLATNET_KIND_ENGINE")
	if name == "" {
		return h.path("engine"), nil
	}
	if !engineName.MatchString(name) {
		return "", fail(exitUsage, "FLATNET_KIND_ENGINE=%s is not a valid engine name; use letters, digits and dashes, with a letter first", name)
	}
	return h.path("engine-run", name), nil
}

var engineName = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9-]*$`)

func (s *slot) path(name string) string { return filepath.Join(s.dir, name) }

// staying is the init of the engine that stays, by its pid in this namespace; 0 where none runs.
func staying(dir string) (int, error) {
	s, err := claim(dir)
	if err == nil {
		s.lock.Close()
		return 0, nil
	}
	if !errors.Is(err, errBusy) {
		return 0, err
	}
	text, err := os.ReadFile(filepath.Join(dir, "pid"))
	if err != nil {
		return 0, fmt.Errorf("an engine is coming up in %s: %w", dir, err)
	}
	return strconv.Atoi(strings.TrimSpace(string(text)))
}
