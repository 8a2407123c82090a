// Command exporters sends the spans of an OTLP/JSON request on stdin through a stock exporter of
// the Go SDK.
//
// Usage: exporters grpc|http/protobuf|http/json [HTTP_SOCKET]
//
// Where to is in the variables that the SDK itself reads. Prints what the exporter said and the ids.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"log"
	"net"
	"net/http"
	"os"
	"slices"
	"strconv"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracegrpc"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/sdk/resource"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
)

type anyValue struct {
	Text   *string  `json:"stringValue"`
	Bool   *bool    `json:"boolValue"`
	Int    *string  `json:"intValue"`
	Double *float64 `json:"doubleValue"`
	Bytes  []byte   `json:"bytesValue"`
	Array  *struct {
		Values []anyValue `json:"values"`
	} `json:"arrayValue"`
	Map *struct {
		Values []keyValue `json:"values"`
	} `json:"kvlistValue"`
}

type keyValue struct {
	Key   string   `json:"key"`
	Value anyValue `json:"value"`
}

type remote struct {
	TraceID    string `json:"traceId"`
	TraceState string `json:"traceState"`
	Flags      uint32 `json:"flags"`
}

// Returns the context of a span of elsewhere.
func (r remote) context(spanID string) trace.SpanContext {
	return trace.NewSpanContext(trace.SpanContextConfig{
		TraceID:    must(trace.TraceIDFromHex(r.TraceID)),
		SpanID:     must(trace.SpanIDFromHex(spanID)),
		TraceFlags: trace.TraceFlags(r.Flags & 1),
		TraceState: must(trace.ParseTraceState(r.TraceState)),
		Remote:     true,
	})
}

type givenSpan struct {
	remote
	SpanID       string     `json:"spanId"`
	ParentSpanID string     `json:"parentSpanId"`
	Name         string     `json:"name"`
	Kind         int        `json:"kind"`
	Start        string     `json:"startTimeUnixNano"`
	End          string     `json:"endTimeUnixNano"`
	Attributes   []keyValue `json:"attributes"`
	Events       []struct {
		Time       string     `json:"timeUnixNano"`
		Name       string     `json:"name"`
		Attributes []keyValue `json:"attributes"`
	} `json:"events"`
	Links []struct {
		remote
		SpanID     string     `json:"spanId"`
		Attributes []keyValue `json:"attributes"`
	} `json:"links"`
	Status struct {
		Code    int    `json:"code"`
		Message string `json:"message"`
	} `json:"status"`
}

type request struct {
	ResourceSpans []struct {
		Resource struct {
			Attributes []keyValue `json:"attributes"`
		} `json:"resource"`
		ScopeSpans []struct {
			Scope struct {
				Name    string `json:"name"`
				Version string `json:"version"`
			} `json:"scope"`
			Spans []givenSpan `json:"spans"`
		} `json:"scopeSpans"`
	} `json:"resourceSpans"`
}

func must[T any](value T, err error) T {
	if err != nil {
		log.Fatal(err)
	}
	return value
}

// The API has a type of its own for an array of one type.
func arrayOf(values []anyValue) attribute.Value {
	var texts []string
	var bools []bool
	var ints []int64
	var doubles []float64
	var mixed []attribute.Value
	for _, one := range values {
		switch {
		case one.Text != nil:
			texts = append(texts, *one.Text)
		case one.Bool != nil:
			bools = append(bools, *one.Bool)
		case one.Int != nil:
			ints = append(ints, must(strconv.ParseInt(*one.Int, 10, 64)))
		case one.Double != nil:
			doubles = append(doubles, *one.Double)
		}
		mixed = append(mixed, valueOf(one))
	}
	switch len(values) {
	case len(texts):
		return attribute.StringSliceValue(texts)
	case len(bools):
		return attribute.BoolSliceValue(bools)
	case len(ints):
		return attribute.Int64SliceValue(ints)
	case len(doubles):
		return attribute.Float64SliceValue(doubles)
	}
	return attribute.SliceValue(mixed...)
}

func valueOf(value anyValue) attribute.Value {
	switch {
	case value.Text != nil:
		return attribute.StringValue(*value.Text)
	case value.Bool != nil:
		return attribute.BoolValue(*value.Bool)
	case value.Int != nil:
		return attribute.Int64Value(must(strconv.ParseInt(*value.Int, 10, 64)))
	case value.Double != nil:
		return attribute.Float64Value(*value.Double)
	case value.Array != nil:
		return arrayOf(value.Array.Values)
	case value.Map != nil:
		return attribute.MapValue(attributesOf(value.Map.Values)...)
	}
	return attribute.ByteSliceValue(value.Bytes)
}

func attributesOf(pairs []keyValue) []attribute.KeyValue {
	found := make([]attribute.KeyValue, 0, len(pairs))
	for _, pair := range pairs {
		found = append(found, attribute.KeyValue{Key: attribute.Key(pair.Key), Value: valueOf(pair.Value)})
	}
	return found
}

func timeOf(unixNano string) time.Time {
	return time.Unix(0, must(strconv.ParseInt(unixNano, 10, 64)))
}

// What the exporter needs beside its variables is what a socket needs.
func stock(ctx context.Context, protocol string, sockets []string) (sdk.SpanExporter, error) {
	if protocol == "grpc" {
		return otlptracegrpc.New(ctx)
	}
	var options []otlptracehttp.Option
	if protocol == "http/json" {
		options = append(options, otlptracehttp.WithEncoding(otlptracehttp.EncodingJSON))
	}
	for _, socket := range sockets {
		transport := &http.Transport{
			DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
				return (&net.Dialer{}).DialContext(ctx, "unix", socket)
			},
		}
		options = append(options, otlptracehttp.WithHTTPClient(&http.Client{Transport: transport}))
	}
	return otlptracehttp.New(ctx, options...)
}

type answer struct {
	OK     bool  `json:"ok"`
	TookMS int64 `json:"took_ms"`
}

// recording notes what the stock exporter behind it answers.
type recording struct {
	sdk.SpanExporter
	answers []answer
}

func (r *recording) ExportSpans(ctx context.Context, spans []sdk.ReadOnlySpan) error {
	began := time.Now()
	err := r.SpanExporter.ExportSpans(ctx, spans)
	r.answers = append(r.answers, answer{err == nil, time.Since(began).Milliseconds()})
	return err
}

func start(ctx context.Context, tracer trace.Tracer, given givenSpan) trace.Span {
	options := []trace.SpanStartOption{
		trace.WithSpanKind(trace.SpanKind(given.Kind)),
		trace.WithAttributes(attributesOf(given.Attributes)...),
		trace.WithTimestamp(timeOf(given.Start)),
	}
	for _, link := range given.Links {
		linked := trace.Link{
			SpanContext: link.context(link.SpanID),
			Attributes:  attributesOf(link.Attributes),
		}
		options = append(options, trace.WithLinks(linked))
	}
	_, span := tracer.Start(ctx, given.Name, options...)
	for _, event := range given.Events {
		span.AddEvent(event.Name, trace.WithTimestamp(timeOf(event.Time)),
			trace.WithAttributes(attributesOf(event.Attributes)...))
	}
	switch given.Status.Code {
	case 1:
		span.SetStatus(codes.Ok, given.Status.Message)
	case 2:
		span.SetStatus(codes.Error, given.Status.Message)
	}
	return span
}

func main() {
	var document request
	if err := json.NewDecoder(os.Stdin).Decode(&document); err != nil {
		log.Fatal(err)
	}
	resourceSpans := document.ResourceSpans[0]
	scopeSpans := resourceSpans.ScopeSpans[0]
	ctx := context.Background()
	// What the exporter says is in the answers; the SDK's own log goes to stderr.
	otel.SetErrorHandler(otel.ErrorHandlerFunc(func(err error) { fmt.Fprintln(os.Stderr, err) }))
	exporter := &recording{SpanExporter: must(stock(ctx, os.Args[1], os.Args[2:]))}
	provider := sdk.NewTracerProvider(
		sdk.WithBatcher(exporter),
		sdk.WithResource(resource.NewSchemaless(attributesOf(resourceSpans.Resource.Attributes)...)),
	)
	scope := scopeSpans.Scope
	tracer := provider.Tracer(scope.Name, trace.WithInstrumentationVersion(scope.Version))

	started := map[string]trace.Span{}
	ids := map[string][]string{}
	for _, given := range scopeSpans.Spans {
		var within context.Context
		if parent := started[given.ParentSpanID]; parent != nil {
			within = trace.ContextWithSpan(ctx, parent)
		} else {
			within = trace.ContextWithRemoteSpanContext(ctx, given.context(given.ParentSpanID))
		}
		span := start(within, tracer, given)
		started[given.SpanID] = span
		self := span.SpanContext()
		ids[given.SpanID] = []string{self.TraceID().String(), self.SpanID().String()}
	}
	for _, given := range slices.Backward(scopeSpans.Spans) {
		started[given.SpanID].End(trace.WithTimestamp(timeOf(given.End)))
	}

	if err := provider.ForceFlush(ctx); err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
	printed := map[string]any{"answers": exporter.answers, "ids": ids}
	if err := json.NewEncoder(os.Stdout).Encode(printed); err != nil {
		log.Fatal(err)
	}
	_ = provider.Shutdown(ctx)
}
