// Spans takes the place of Jaeger in net-kourier's tracing tests: it receives OTLP over gRPC (4317) and HTTP (4318)
// and answers Jaeger's FindTraces (16685) by service, operation, tags and start time. Only what those tests ask.
package main

import (
	"context"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/jaegertracing/jaeger-idl/model/v1"
	"github.com/jaegertracing/jaeger-idl/proto-gen/api_v2"
	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	common "go.opentelemetry.io/proto/otlp/common/v1"
	otlp "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"
)

type span struct {
	service, name string
	start         time.Time
	tags          map[string]string
}

// store keeps the spans of each trace in the order of their arrival.
type store struct {
	collector.UnimplementedTraceServiceServer
	api_v2.UnimplementedQueryServiceServer
	mu     sync.Mutex
	traces map[string][]span
}

func text(v *common.AnyValue) string {
	switch v := v.GetValue().(type) {
	case *common.AnyValue_StringValue:
		return v.StringValue
	case *common.AnyValue_IntValue:
		return fmt.Sprint(v.IntValue)
	case *common.AnyValue_BoolValue:
		return fmt.Sprint(v.BoolValue)
	case *common.AnyValue_DoubleValue:
		return fmt.Sprint(v.DoubleValue)
	}
	return ""
}

func tags(attributes []*common.KeyValue) map[string]string {
	found := map[string]string{}
	for _, a := range attributes {
		found[a.GetKey()] = text(a.GetValue())
	}
	return found
}

func (s *store) add(resources []*otlp.ResourceSpans) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, resource := range resources {
		service := tags(resource.GetResource().GetAttributes())["service.name"]
		for _, scope := range resource.GetScopeSpans() {
			for _, one := range scope.GetSpans() {
				id := string(one.GetTraceId())
				kept := span{service, one.GetName(), time.Unix(0, int64(one.GetStartTimeUnixNano())), tags(one.GetAttributes())}
				s.traces[id] = append(s.traces[id], kept)
				log.Printf("trace %x: %s %q %v", id, kept.service, kept.name, kept.tags)
			}
		}
	}
}

func (s *store) Export(_ context.Context, r *collector.ExportTraceServiceRequest) (*collector.ExportTraceServiceResponse, error) {
	s.add(r.GetResourceSpans())
	return &collector.ExportTraceServiceResponse{}, nil
}

func (s *store) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	request := &collector.ExportTraceServiceRequest{}
	if err == nil {
		err = proto.Unmarshal(body, request)
	}
	if err != nil || r.URL.Path != "/v1/traces" || r.Header.Get("Content-Type") != "application/x-protobuf" {
		log.Printf("refused: %s %s %q: %v", r.Method, r.URL.Path, r.Header.Get("Content-Type"), err)
		http.Error(w, "not an OTLP trace export", http.StatusBadRequest)
		return
	}
	s.add(request.GetResourceSpans())
	w.Header().Set("Content-Type", "application/x-protobuf")
}

func (q span) matches(query *api_v2.TraceQueryParameters) bool {
	if q.service != query.ServiceName || q.name != query.OperationName ||
		q.start.Before(query.StartTimeMin) || q.start.After(query.StartTimeMax) {
		return false
	}
	for key, value := range query.Tags {
		if q.tags[key] != value {
			return false
		}
	}
	return true
}

// FindTraces sends one chunk for each trace that has a span like the one asked for.
func (s *store) FindTraces(r *api_v2.FindTracesRequest, stream api_v2.QueryService_FindTracesServer) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, spans := range s.traces {
		for _, one := range spans {
			if !one.matches(r.Query) {
				continue
			}
			chunk := &api_v2.SpansResponseChunk{Spans: []model.Span{{OperationName: one.name}}}
			if err := stream.Send(chunk); err != nil {
				return err
			}
			break
		}
	}
	return nil
}

func serve(port string, register func(*grpc.Server)) {
	listener, err := net.Listen("tcp", port)
	if err != nil {
		log.Fatal(err)
	}
	server := grpc.NewServer()
	register(server)
	log.Fatal(server.Serve(listener))
}

func main() {
	s := &store{traces: map[string][]span{}}
	go serve(":4317", func(g *grpc.Server) { collector.RegisterTraceServiceServer(g, s) })
	go serve(":16685", func(g *grpc.Server) { api_v2.RegisterQueryServiceServer(g, s) })
	go func() { log.Fatal(http.ListenAndServe(":4318", s)) }()
	// Ready, for the Deployment's probe.
	log.Fatal(http.ListenAndServe(":16686", http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})))
}
