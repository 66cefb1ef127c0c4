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
	"time"

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

// call asks dockerd and returns what it answers.
func call(ctx context.Context, method, path string, body io.Reader) ([]byte, error) {
	request, err := http.NewRequestWithContext(ctx, method, "http://docker/v1.41"+path, body)
	if err != nil {
		return nil, err
	}
	response, err := client.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		return nil, err
	}
	if response.StatusCode >= 300 {
		return nil, &apiError{response.StatusCode, fmt.Sprintf("%s %s: %s", method, path, bytes.TrimSpace(text))}
	}
	return text, nil
}

type apiError struct {
	status int
	text   string
}

func (e *apiError) Error() string { return e.text }

// notFound is not an error where the object may be gone.
func notFound(err error) bool {
	var api *apiError
	return errors.As(err, &api) && api.status == http.StatusNotFound
}

// How long dockerd may take to say that it lives.
const pingPatience = 5 * time.Second

func ping(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, pingPatience)
	defer cancel()
	_, err := call(ctx, http.MethodGet, "/_ping", nil)
	return err
}

// removeContainers removes every container with its volumes, and every network. An engine begins and ends without.
func removeContainers(ctx context.Context) error {
	text, err := call(ctx, http.MethodGet, "/containers/json?all=1", nil)
	if err != nil {
		return err
	}
	var containers []struct{ ID string }
	if err := json.Unmarshal(text, &containers); err != nil {
		return err
	}
	for _, container := range containers {
		_, err := call(ctx, http.MethodDelete, "/containers/"+container.ID+"?force=1&v=1", nil)
		if err != nil && !notFound(err) {
			return err
		}
	}
	for _, kind := range []string{"volumes", "networks"} {
		if _, err := call(ctx, http.MethodPost, "/"+kind+"/prune", nil); err != nil {
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

// verbLoad runs with an engine.
const verbLoad = "load"

// loadNodeImage gives the engine the node image, unless it has that very one.
func loadNodeImage(ctx context.Context, h home) error {
	name, want := nodeImage(h), nodeImageID(h)
	have, err := imageID(ctx, name)
	if err != nil || have == want {
		return err
	}
	archive, err := os.Open(h.path("node.tar"))
	if err != nil {
		return err
	}
	defer archive.Close()
	// dockerd says 200 before it has read the archive, and afterwards in its text what went wrong.
	text, err := call(ctx, http.MethodPost, "/images/load?quiet=1", archive)
	if err != nil {
		return err
	}
	if have, err = imageID(ctx, name); err != nil {
		return err
	}
	if have != want {
		return fmt.Errorf("%s is %q after loading, not %s: %s", name, have, want, bytes.TrimSpace(text))
	}
	// What an older node image left.
	_, err = call(ctx, http.MethodPost, "/images/prune", nil)
	return err
}

// imageID is empty where the engine has no image of that name.
func imageID(ctx context.Context, name string) (string, error) {
	text, err := call(ctx, http.MethodGet, "/images/"+name+"/json", nil)
	if notFound(err) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	var image struct{ ID string }
	err = json.Unmarshal(text, &image)
	return image.ID, err
}
