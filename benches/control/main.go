// What Knative's control plane is made of, alone: go-control-plane's snapshot cache behind one ADS server, as net-kourier uses
// it. Every change makes the whole snapshot anew, which is what it measures. A line on standard input is a change; when the
// snapshot is set, a line of JSON on standard output says how long that took.
//
//	control ADDRESS SERVICES BACKEND-PORT ACCESS-LOG LISTENER-PORT
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"log"
	"net"
	"os"
	"strconv"
	"strings"
	"time"

	accesslog "github.com/envoyproxy/go-control-plane/envoy/config/accesslog/v3"
	cluster "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	core "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	endpoint "github.com/envoyproxy/go-control-plane/envoy/config/endpoint/v3"
	listener "github.com/envoyproxy/go-control-plane/envoy/config/listener/v3"
	route "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	file "github.com/envoyproxy/go-control-plane/envoy/extensions/access_loggers/file/v3"
	router "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/router/v3"
	manager "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3"
	discovery "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	"github.com/envoyproxy/go-control-plane/pkg/cache/types"
	"github.com/envoyproxy/go-control-plane/pkg/cache/v3"
	"github.com/envoyproxy/go-control-plane/pkg/resource/v3"
	"github.com/envoyproxy/go-control-plane/pkg/server/v3"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

// service is what a Knative Service comes to: a host with its routes, and two revisions.
type service struct {
	name    string
	percent uint32 // of the first revision; the second has the rest
	second  uint32 // port of the second revision's endpoint
	answer  string // a direct response on /version, to see when the change is obeyed
}

type world struct {
	services []*service
	backend  uint32
	accesses string
	port     uint32
	version  int
}

func main() {
	if len(os.Args) < 6 {
		log.Fatal("control ADDRESS SERVICES BACKEND-PORT ACCESS-LOG LISTENER-PORT")
	}
	count, backend, port := number(os.Args[2]), number(os.Args[3]), number(os.Args[5])
	w := &world{backend: uint32(backend), accesses: os.Args[4], port: uint32(port)}
	for i := range count {
		w.services = append(w.services, w.service(fmt.Sprintf("s%d", i)))
	}
	snapshots := cache.NewSnapshotCache(true, cache.IDHash{}, nil)
	must(w.set(snapshots))
	socket, err := net.Listen("tcp", os.Args[1])
	must(err)
	grpcServer := grpc.NewServer()
	discovery.RegisterAggregatedDiscoveryServiceServer(grpcServer, server.NewServer(context.Background(), snapshots, nil))
	go func() { must(grpcServer.Serve(socket)) }()
	fmt.Println(`{"ready": true}`)
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		began := time.Now()
		w.change(lines.Text())
		must(w.set(snapshots))
		fmt.Printf("{\"seconds\": %f}\n", time.Since(began).Seconds())
	}
}

func (w *world) service(name string) *service {
	return &service{name: name, percent: 50, second: w.backend, answer: "0"}
}

// change: `endpoint NAME PORT MARK`, `split NAME PERCENT MARK`, `add NAME`, `remove NAME`. The mark is what /version of the host
// answers from then on.
func (w *world) change(line string) {
	words := strings.Fields(line)
	switch words[0] {
	case "add":
		w.services = append(w.services, w.service(words[1]))
		return
	case "remove":
		for i, one := range w.services {
			if one.name == words[1] {
				w.services = append(w.services[:i], w.services[i+1:]...)
				return
			}
		}
	}
	for _, one := range w.services {
		if one.name == words[1] {
			one.answer = words[3]
			if words[0] == "endpoint" {
				one.second = uint32(number(words[2]))
			} else {
				one.percent = uint32(number(words[2]))
			}
		}
	}
}

func (w *world) set(snapshots cache.SnapshotCache) error {
	w.version++
	var clusters, endpoints []types.Resource
	hosts := make([]*route.VirtualHost, 0, len(w.services))
	for _, one := range w.services {
		for number, port := range []uint32{w.backend, one.second} {
			name := fmt.Sprintf("default/%s-%05d", one.name, number+1)
			clusters = append(clusters, &cluster.Cluster{
				Name:                 name,
				ConnectTimeout:       durationpb.New(5 * time.Second),
				ClusterDiscoveryType: &cluster.Cluster_Type{Type: cluster.Cluster_EDS},
				EdsClusterConfig:     &cluster.Cluster_EdsClusterConfig{EdsConfig: ads()},
			})
			endpoints = append(endpoints, &endpoint.ClusterLoadAssignment{ClusterName: name, Endpoints: []*endpoint.LocalityLbEndpoints{{
				LbEndpoints: []*endpoint.LbEndpoint{{HostIdentifier: &endpoint.LbEndpoint_Endpoint{Endpoint: &endpoint.Endpoint{Address: address(port)}}}},
			}}})
		}
		hosts = append(hosts, host(one))
	}
	routes := &route.RouteConfiguration{Name: "services", VirtualHosts: hosts, ValidateClusters: wrapperspb.Bool(true)}
	snapshot, err := cache.NewSnapshot(strconv.Itoa(w.version), map[resource.Type][]types.Resource{
		resource.EndpointType: endpoints,
		resource.ClusterType:  clusters,
		resource.RouteType:    {routes},
		resource.ListenerType: {w.listener()},
	})
	if err != nil {
		return err
	}
	return snapshots.SetSnapshot(context.Background(), "bench", snapshot)
}

func host(one *service) *route.VirtualHost {
	weight := func(number int, percent uint32) *route.WeightedCluster_ClusterWeight {
		return &route.WeightedCluster_ClusterWeight{
			Name:   fmt.Sprintf("default/%s-%05d", one.name, number),
			Weight: wrapperspb.UInt32(percent),
			RequestHeadersToAdd: []*core.HeaderValueOption{{
				Header: &core.HeaderValue{Key: "Knative-Serving-Revision", Value: fmt.Sprintf("%s-%05d", one.name, number)},
			}},
		}
	}
	prefix := func(path string) *route.RouteMatch {
		return &route.RouteMatch{PathSpecifier: &route.RouteMatch_Prefix{Prefix: path}}
	}
	return &route.VirtualHost{
		Name:    "default/" + one.name,
		Domains: []string{one.name + ".default.localhost", one.name + ".default.localhost:*", one.name + ".default.svc.cluster.local", one.name + ".default.svc.cluster.local:*"},
		Routes: []*route.Route{
			{Name: "version", Match: prefix("/version"), Action: &route.Route_DirectResponse{DirectResponse: &route.DirectResponseAction{
				Status: 200, Body: &core.DataSource{Specifier: &core.DataSource_InlineString{InlineString: one.answer}},
			}}},
			{Name: "all", Match: prefix("/"), Action: &route.Route_Route{Route: &route.RouteAction{
				Timeout: durationpb.New(0),
				ClusterSpecifier: &route.RouteAction_WeightedClusters{WeightedClusters: &route.WeightedCluster{
					Clusters: []*route.WeightedCluster_ClusterWeight{weight(1, one.percent), weight(2, 100-one.percent)},
				}},
			}}},
		},
	}
}

func (w *world) listener() *listener.Listener {
	http := &manager.HttpConnectionManager{
		StatPrefix:       "gateway",
		UseRemoteAddress: wrapperspb.Bool(true),
		RouteSpecifier:   &manager.HttpConnectionManager_Rds{Rds: &manager.Rds{RouteConfigName: "services", ConfigSource: ads()}},
		HttpFilters:      []*manager.HttpFilter{{Name: "envoy.filters.http.router", ConfigType: &manager.HttpFilter_TypedConfig{TypedConfig: wrap(&router.Router{})}}},
		AccessLog: []*accesslog.AccessLog{{
			Name: "file", ConfigType: &accesslog.AccessLog_TypedConfig{TypedConfig: wrap(&file.FileAccessLog{Path: w.accesses})},
		}},
	}
	return &listener.Listener{Name: "gateway", Address: address(w.port), FilterChains: []*listener.FilterChain{{
		Filters: []*listener.Filter{{Name: "http", ConfigType: &listener.Filter_TypedConfig{TypedConfig: wrap(http)}}},
	}}}
}

func ads() *core.ConfigSource {
	return &core.ConfigSource{ResourceApiVersion: core.ApiVersion_V3, ConfigSourceSpecifier: &core.ConfigSource_Ads{Ads: &core.AggregatedConfigSource{}}}
}

func address(port uint32) *core.Address {
	return &core.Address{Address: &core.Address_SocketAddress{SocketAddress: &core.SocketAddress{
		Address: "127.0.0.1", PortSpecifier: &core.SocketAddress_PortValue{PortValue: port},
	}}}
}

func wrap(message proto.Message) *anypb.Any {
	wrapped, err := anypb.New(message)
	must(err)
	return wrapped
}

func number(word string) int {
	value, err := strconv.Atoi(word)
	must(err)
	return value
}

func must(err error) {
	if err != nil {
		message, _ := json.Marshal(err.Error())
		log.Fatal(string(message))
	}
}
