// Command generator loads a door of the recorder with one prepared request, each time with another
// trace id, so that no two are equal. It is compiled, so that it is not the bottleneck.
//
//	generator -door frames|http -address PATH|HOST:PORT -body FILE -connections N -window N -requests N
//
// It prints one JSON object: requests, failed, seconds, p50_ms and p99_ms of the answers.
package main

import (
	"bufio"
	"bytes"
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"sort"
	"strconv"
	"strings"
	"sync"
	"time"
)

const (
	frameHello    = 1
	frameRecords  = 2
	frameBye      = 3
	frameHelloAck = 16
	frameAck      = 17
	headerBytes   = 13
)

// A door says how requests are written and how their answers are read, in order.
type door interface {
	greet() error
	write(seq uint64, body []byte) error
	answer() (accepted bool, err error)
	leave() error
}

type frames struct {
	out *bufio.Writer
	in  *bufio.Reader
}

func (f *frames) send(kind byte, seq uint64, parts ...[]byte) error {
	length := headerBytes - 4
	for _, part := range parts {
		length += len(part)
	}
	var header [headerBytes]byte
	binary.BigEndian.PutUint32(header[:], uint32(length))
	header[4] = kind
	binary.BigEndian.PutUint64(header[5:], seq)
	if _, err := f.out.Write(header[:]); err != nil {
		return err
	}
	for _, part := range parts {
		if _, err := f.out.Write(part); err != nil {
			return err
		}
	}
	return f.out.Flush()
}

func (f *frames) receive() (byte, error) {
	var header [headerBytes]byte
	if _, err := io.ReadFull(f.in, header[:]); err != nil {
		return 0, err
	}
	_, err := f.in.Discard(int(binary.BigEndian.Uint32(header[:])) - (headerBytes - 4))
	return header[4], err
}

func (f *frames) greet() error {
	hello := make([]byte, 2+16, 22)
	hello[0], hello[1] = 0x0a, 16
	if _, err := rand.Read(hello[2:]); err != nil {
		return err
	}
	if err := f.send(frameHello, 0, append(hello, 0x10, 1, 0x18, 1)); err != nil {
		return err
	}
	kind, err := f.receive()
	if err == nil && kind != frameHelloAck {
		err = fmt.Errorf("HELLO was answered with type %d", kind)
	}
	return err
}

func (f *frames) write(seq uint64, body []byte) error {
	field := binary.AppendUvarint([]byte{0x0a}, uint64(len(body)))
	return f.send(frameRecords, seq, field, body)
}

func (f *frames) answer() (bool, error) {
	kind, err := f.receive()
	return kind == frameAck, err
}

func (f *frames) leave() error { return f.send(frameBye, 0) }

type plainHTTP struct {
	out *bufio.Writer
	in  *bufio.Reader
}

func (h *plainHTTP) greet() error { return nil }
func (h *plainHTTP) leave() error { return nil }

func (h *plainHTTP) write(_ uint64, body []byte) error {
	fmt.Fprintf(h.out, "POST /v1/traces HTTP/1.1\r\nHost: localhost\r\n"+
		"Content-Type: application/x-protobuf\r\nContent-Length: %d\r\n\r\n", len(body))
	if _, err := h.out.Write(body); err != nil {
		return err
	}
	return h.out.Flush()
}

func (h *plainHTTP) answer() (bool, error) {
	status, err := h.in.ReadString('\n')
	if err != nil {
		return false, err
	}
	length := 0
	for {
		line, err := h.in.ReadString('\n')
		if err != nil {
			return false, err
		}
		if line = strings.TrimSpace(line); line == "" {
			break
		}
		if name, value, _ := strings.Cut(line, ":"); strings.EqualFold(name, "content-length") {
			if length, err = strconv.Atoi(strings.TrimSpace(value)); err != nil {
				return false, err
			}
		}
	}
	_, err = h.in.Discard(length)
	return strings.HasPrefix(status, "HTTP/1.1 200 "), err
}

type result struct {
	times  []time.Duration
	failed int
	err    error
}

// drive sends count requests, window of them ahead of their answers.
func drive(d door, body []byte, traceID []byte, window, count int) (found result) {
	if found.err = d.greet(); found.err != nil {
		return found
	}
	at := bytes.Index(body, traceID)
	slots := make(chan struct{}, window)
	begun := make(chan time.Time, window)
	broken := make(chan error, 1)
	go func() {
		own := bytes.Clone(body)
		for seq := 1; seq <= count; seq++ {
			binary.BigEndian.PutUint64(own[at+8:], uint64(seq))
			if _, err := rand.Read(own[at : at+8]); err != nil {
				broken <- err
				return
			}
			slots <- struct{}{}
			begun <- time.Now()
			if err := d.write(uint64(seq), own); err != nil {
				broken <- err
				return
			}
		}
		broken <- nil
	}()
	for answered := 0; answered < count; answered++ {
		accepted, err := d.answer()
		if err != nil {
			found.err = err
			return found
		}
		found.times = append(found.times, time.Since(<-begun))
		<-slots
		if !accepted {
			found.failed++
		}
	}
	found.err = errors.Join(<-broken, d.leave())
	return found
}

func run() error {
	kind := flag.String("door", "frames", "frames or http")
	address := flag.String("address", "", "path of a Unix socket, or host:port")
	file := flag.String("body", "", "an encoded ExportTraceServiceRequest")
	traceHex := flag.String("trace", "", "a trace id in it, in hex, which is changed each time")
	connections := flag.Int("connections", 16, "at once")
	window := flag.Int("window", 1, "requests under way on each")
	requests := flag.Int("requests", 1000, "in all")
	flag.Parse()
	body, err := os.ReadFile(*file)
	if err != nil {
		return err
	}
	traceID, err := hex.DecodeString(*traceHex)
	if err != nil || len(traceID) != 16 {
		return errors.New("-trace: expected 32 hex digits")
	}
	if !bytes.Contains(body, traceID) {
		return errors.New("-trace: not in the body")
	}
	network := "unix"
	if strings.Contains(*address, ":") {
		network = "tcp"
	}
	results := make([]result, *connections)
	var waiting sync.WaitGroup
	started := time.Now()
	for index := range results {
		connection, err := net.Dial(network, *address)
		if err != nil {
			return err
		}
		defer connection.Close()
		in, out := bufio.NewReaderSize(connection, 1<<16), bufio.NewWriterSize(connection, 1<<16)
		var d door = &frames{out, in}
		if *kind == "http" {
			d = &plainHTTP{out, in}
		}
		waiting.Add(1)
		go func() {
			defer waiting.Done()
			results[index] = drive(d, body, traceID, *window, *requests / *connections)
		}()
	}
	waiting.Wait()
	seconds := time.Since(started).Seconds()
	var times []time.Duration
	failed := 0
	for _, each := range results {
		if each.err != nil {
			return each.err
		}
		times = append(times, each.times...)
		failed += each.failed
	}
	sort.Slice(times, func(i, j int) bool { return times[i] < times[j] })
	at := func(share float64) float64 {
		return float64(times[int(share*float64(len(times)-1))].Microseconds()) / 1000
	}
	return json.NewEncoder(os.Stdout).Encode(map[string]any{
		"requests": len(times) - failed, "failed": failed, "seconds": seconds,
		"p50_ms": at(0.5), "p99_ms": at(0.99),
	})
}

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "generator:", err)
		os.Exit(1)
	}
}
