package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

const socketPath = "/run/docker.sock"

// writeConfiguration writes dockerd's configuration: nothing of an installed engine is read or used.
func writeConfiguration(h home, dir, cgroups string) (string, error) {
	config := map[string]any{
		"data-root":           filepath.Join(dir, "data"),
		"hosts":               []string{"unix://" + socketPath},
		"exec-root":           "/run/docker",
		"pidfile":             "/run/docker.pid",
		"dns":                 []string{nameServer},
		"cgroup-parent":       cgroups,
		"exec-opts":           []string{"native.cgroupdriver=cgroupfs"},
		"userland-proxy-path": h.path("docker", "docker-proxy"),
	}
	ok, err := inBounds(unix.CAP_SYS_RESOURCE)
	if err != nil {
		return "", err
	}
	if !ok {
		config["runtimes"] = map[string]any{"in-bounds": map[string]any{"path": h.path("engine-programs", "runc-in-bounds")}}
		config["default-runtime"] = "in-bounds"
	}
	text, err := json.Marshal(config)
	if err != nil {
		return "", err
	}
	file := filepath.Join(dir, "daemon.json")
	return file, os.WriteFile(file, text, 0o600)
}

// client speaks to dockerd's API. Its version is that of docker 20.10 and understood by all later ones until 29.
var client = http.Client{Transport: &http.Transport{
	DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", socketPath)
	},
}}

// call asks dockerd; the answer, where one is wanted, is decoded into out.
func call(method, path string, body io.Reader, out any) error {
	request, err := http.NewRequest(method, "http://docker/v1.41"+path, body)
	if err != nil {
		return err
	}
	response, err := client.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		return err
	}
	if response.StatusCode >= 300 {
		return &apiError{response.StatusCode, fmt.Sprintf("%s %s: %s", method, path, bytes.TrimSpace(text))}
	}
	if out == nil {
		return nil
	}
	return json.Unmarshal(text, out)
}

type apiError struct {
	status int
	text   string
}

func (e *apiError) Error() string { return e.text }

func ping() error { return call(http.MethodGet, "/_ping", nil, nil) }

// removeContainers removes every container with its volumes, and every network. An engine begins and ends without.
func removeContainers() error {
	var containers []struct{ ID string }
	if err := call(http.MethodGet, "/containers/json?all=1", nil, &containers); err != nil {
		return err
	}
	for _, container := range containers {
		err := call(http.MethodDelete, "/containers/"+container.ID+"?force=1&v=1", nil, nil)
		var api *apiError
		if errors.As(err, &api) && api.status == http.StatusNotFound {
			continue
		}
		if err != nil {
			return err
		}
	}
	for _, kind := range []string{"volumes", "networks"} {
		if err := call(http.MethodPost, "/"+kind+"/prune", nil, nil); err != nil {
			return err
		}
	}
	return nil
}

// forgetRestarts is for what an engine left that was killed: kind's nodes ask to be started with the next one.
func forgetRestarts(data string) error {
	files, err := filepath.Glob(filepath.Join(data, "containers", "*", "hostconfig.json"))
	if err != nil {
		return err
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		var config map[string]json.RawMessage
		if err := json.Unmarshal(text, &config); err != nil {
			return fmt.Errorf("%s: %w", file, err)
		}
		config["RestartPolicy"] = json.RawMessage(`{"Name":"no","MaximumRetryCount":0}`)
		if text, err = json.Marshal(config); err != nil {
			return err
		}
		if err := os.WriteFile(file, text, 0o600); err != nil {
			return err
		}
	}
	return nil
}

// nodeImage is the name of the image in node.tar, and nodeImageID its id; kind-image wrote both beside it.
func nodeImage(h home) string   { return beside(h, "node.name") }
func nodeImageID(h home) string { return beside(h, "node.id") }

func beside(h home, name string) string {
	archive, err := filepath.EvalSymlinks(h.path("node.tar"))
	if err != nil {
		return ""
	}
	text, err := os.ReadFile(filepath.Join(filepath.Dir(archive), name))
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(text))
}

// verbLoad is a command beside an engine.
const verbLoad = "load"

// loadNodeImage gives the engine the node image, unless it has that very one.
func loadNodeImage(h home) error {
	var image struct{ ID string }
	name, id := nodeImage(h), nodeImageID(h)
	err := call(http.MethodGet, "/images/"+name+"/json", nil, &image)
	if err == nil && image.ID == id {
		return nil
	}
	archive, err := os.Open(h.path("node.tar"))
	if err != nil {
		return err
	}
	defer archive.Close()
	// dockerd answers 200 before it has read the archive, so only the image itself tells.
	if err := call(http.MethodPost, "/images/load?quiet=1", archive, nil); err != nil {
		return err
	}
	if err := call(http.MethodGet, "/images/"+name+"/json", nil, &image); err != nil {
		return err
	}
	if image.ID != id {
		return fmt.Errorf("%s is %s after loading, not %s", name, image.ID, id)
	}
	// What an older node image left.
	return call(http.MethodPost, "/images/prune", nil, nil)
}
