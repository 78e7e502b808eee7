// The stargz snapshotter as a daemon, for tests. Debian packages its library and its client but not this program.
//
//	main SOCKET ROOT CONFIG
//
// serves containerd's snapshots API on SOCKET until SIGTERM, keeps everything below ROOT and unmounts it at the end. CONFIG
// is a file with the table keys of containerd-stargz-grpc that matter here: [blob], [directory_cache], and mirrors as
// [[resolver.host."REGISTRY".mirrors]].
package main

import (
	"context"
	"log"
	"net"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	api "github.com/containerd/containerd/api/services/snapshots/v1"
	"github.com/containerd/containerd/contrib/snapshotservice"
	"github.com/containerd/containerd/reference"
	"github.com/containerd/containerd/remotes/docker"
	"github.com/containerd/containerd/snapshots"
	stargz "github.com/containerd/stargz-snapshotter/fs"
	"github.com/containerd/stargz-snapshotter/fs/config"
	"github.com/containerd/stargz-snapshotter/fs/source"
	"github.com/containerd/stargz-snapshotter/snapshot"
	"github.com/hashicorp/go-retryablehttp"
	"github.com/pelletier/go-toml"
	"google.golang.org/grpc"
)

// requestTimeout is what the upstream program gives one request unless told otherwise.
const requestTimeout = 30 * time.Second

type mirror struct {
	Host string `toml:"host"`
}

type settings struct {
	Resolver struct {
		Host map[string]struct {
			Mirrors []mirror `toml:"mirrors"`
		} `toml:"host"`
	} `toml:"resolver"`
}

func main() {
	if len(os.Args) != 4 {
		log.Fatal("usage: main SOCKET ROOT CONFIG")
	}
	socket, root := os.Args[1], os.Args[2]
	filesystem, mirrors := load(os.Args[3])
	snapshotter, err := open(root, filesystem, mirrors)
	check(err)
	listener, err := net.Listen("unix", socket)
	check(err)
	server := grpc.NewServer()
	api.RegisterSnapshotsServer(server, snapshotservice.FromSnapshotter(snapshotter))
	go func() { check(server.Serve(listener)) }()
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGINT, syscall.SIGTERM)
	<-stop
	check(snapshotter.Close())
}

// load reads the file twice: the TOML library does not fill in the embedded tables of another package's struct on the way.
func load(file string) (filesystem config.Config, mirrors settings) {
	tree, err := toml.LoadFile(file)
	check(err)
	check(tree.Unmarshal(&filesystem))
	check(tree.Unmarshal(&mirrors))
	return
}

func open(root string, filesystem config.Config, mirrors settings) (snapshots.Snapshotter, error) {
	layers, err := stargz.NewFilesystem(filepath.Join(root, "layers"), filesystem,
		stargz.WithGetSources(source.FromDefaultLabels(hostsOf(mirrors))))
	if err != nil {
		return nil, err
	}
	return snapshot.NewSnapshotter(context.Background(), filepath.Join(root, "snapshots"), layers)
}

// hostsOf gives the mirrors of a registry in their order and then the registry itself, each with a client that retries.
func hostsOf(mirrors settings) source.RegistryHosts {
	return func(ref reference.Spec) ([]docker.RegistryHost, error) {
		registry := ref.Hostname()
		hosts := []docker.RegistryHost{}
		for _, one := range append(append([]mirror{}, mirrors.Resolver.Host[registry].Mirrors...), mirror{registry}) {
			client := retryablehttp.NewClient()
			client.Logger = nil
			standard := client.StandardClient()
			standard.Timeout = requestTimeout
			hosts = append(hosts, docker.RegistryHost{
				Client: standard, Host: one.Host, Scheme: "http", Path: "/v2",
				Capabilities: docker.HostCapabilityPull | docker.HostCapabilityResolve,
				Authorizer:   docker.NewDockerAuthorizer(docker.WithAuthClient(&http.Client{Timeout: requestTimeout})),
			})
		}
		return hosts, nil
	}
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
