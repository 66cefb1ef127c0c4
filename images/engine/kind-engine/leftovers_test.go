package main

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestCgroupsGoFromTheInsideOut(t *testing.T) {
	root := t.TempDir()
	if err := os.MkdirAll(filepath.Join(root, "flatnet-engine-1", "node", "kubelet.slice", "pod"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(root, "flatnet-engine-2"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := removeCgroups(filepath.Join(root, "flatnet-engine-1")); err != nil {
		t.Error(err)
	}
	if left, err := os.ReadDir(root); err != nil || len(left) != 1 || left[0].Name() != "flatnet-engine-2" {
		t.Errorf("left: %v, %v", left, err)
	}
	if err := removeCgroups(filepath.Join(root, "flatnet-engine-1")); err != nil {
		t.Errorf("what is gone already: %v", err)
	}
}

func TestContainersOfADeadEngineStayDead(t *testing.T) {
	data := t.TempDir()
	file := filepath.Join(data, "containers", "abc", "hostconfig.json")
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		t.Fatal(err)
	}
	// The number does not fit a float.
	before := `{"RestartPolicy":{"Name":"on-failure","MaximumRetryCount":1},"Memory":9007199254740993,"Privileged":true}`
	if err := os.WriteFile(file, []byte(before), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := forgetRestarts(data); err != nil {
		t.Fatal(err)
	}
	after, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for _, wanted := range []string{`"Name":"no"`, `9007199254740993`, `"Privileged":true`} {
		if !strings.Contains(string(after), wanted) {
			t.Errorf("%s is not in %s", wanted, after)
		}
	}
}

func TestASlotHasOneEngine(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "engine")
	first, err := claim(dir)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := claim(dir); !errors.Is(err, errBusy) {
		t.Errorf("a second claim gave %v", err)
	}
	if err := os.WriteFile(first.path("pid"), []byte("4711"), 0o600); err != nil {
		t.Fatal(err)
	}
	if pid, err := staying(dir); pid != 4711 || err != nil {
		t.Errorf("the engine that stays is %d, %v", pid, err)
	}
	first.lock.Close()
	if pid, err := staying(dir); pid != 0 || err != nil {
		t.Errorf("after its end the engine that stays is %d, %v", pid, err)
	}
}
