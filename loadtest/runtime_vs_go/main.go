// The Go twin of tests/bench/runtime_bench.cpp: the same names, the same work, in goroutines.
//
//	goroutines NAME...   prints one line of JSON with nanoseconds (and bytes) per operation
//
// Time is CPU time of the process on both sides, so that a busy neighbour does not count.
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"runtime"
	"sync"
	"syscall"
	"time"
)

const parkedCount = 1_000_000
const batch = 1000
const timeMin = 300 * time.Millisecond

func cpuTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// Runs f with growing n until it takes long enough to be measured.
func nsPerOp(f func(n int)) float64 {
	for n := 1000; ; n *= 2 {
		begin := cpuTime()
		f(n)
		if took := cpuTime() - begin; took >= timeMin {
			return float64(took.Nanoseconds()) / float64(n)
		}
	}
}

// Of the two usual ways to wait for a goroutine, the faster one counts.
func spawnJoin() map[string]float64 {
	group := nsPerOp(func(n int) {
		var wg sync.WaitGroup
		for i := 0; i < n; i++ {
			wg.Add(1)
			go func() { wg.Done() }()
			wg.Wait()
		}
	})
	channel := nsPerOp(func(n int) {
		done := make(chan struct{})
		for i := 0; i < n; i++ {
			go func() { done <- struct{}{} }()
			<-done
		}
	})
	if channel < group {
		group = channel
	}
	return map[string]float64{"ns": group}
}

func spawnJoinBatch() map[string]float64 {
	ns := nsPerOp(func(n int) {
		var wg sync.WaitGroup
		for i := 0; i < n; i++ {
			wg.Add(batch)
			for j := 0; j < batch; j++ {
				go func() { wg.Done() }()
			}
			wg.Wait()
		}
	})
	return map[string]float64{"ns": ns / batch}
}

func rendezvousSwitch() map[string]float64 {
	ns := nsPerOp(func(n int) {
		there, back := make(chan int64), make(chan int64)
		go func() {
			for v := range there {
				back <- v
			}
		}()
		for i := 0; i < n; i++ {
			there <- 1
			<-back
		}
		close(there)
	})
	return map[string]float64{"ns": ns / 2}
}

func bufferedItem() map[string]float64 {
	ns := nsPerOp(func(n int) {
		c := make(chan int64, 64)
		done := make(chan struct{})
		go func() {
			for range c {
			}
			close(done)
		}()
		for i := 0; i < n; i++ {
			c <- 1
		}
		close(c)
		<-done
	})
	return map[string]float64{"ns": ns}
}

func residentBytes() float64 {
	var total, resident int64
	f, err := os.Open("/proc/self/statm")
	if err != nil {
		panic(err)
	}
	defer f.Close()
	if _, err := fmt.Fscan(f, &total, &resident); err != nil {
		panic(err)
	}
	return float64(resident * int64(os.Getpagesize()))
}

func parked() map[string]float64 {
	begin := cpuTime()
	before := residentBytes()
	event := make(chan struct{})
	var started int
	var wg sync.WaitGroup
	wg.Add(parkedCount)
	for i := 0; i < parkedCount; i++ {
		go func() {
			started++ // one processor: see main
			<-event
			wg.Done()
		}()
	}
	for started < parkedCount {
		runtime.Gosched()
	}
	bytes := (residentBytes() - before) / parkedCount
	close(event)
	wg.Wait()
	return map[string]float64{"ns": float64((cpuTime() - begin).Nanoseconds()) / parkedCount, "bytes": bytes}
}

func main() {
	runtime.GOMAXPROCS(1)
	all := map[string]func() map[string]float64{
		"parked":            parked,
		"spawn_join":        spawnJoin,
		"spawn_join_1000":   spawnJoinBatch,
		"rendezvous_switch": rendezvousSwitch,
		"buffered_item":     bufferedItem,
	}
	results := map[string]map[string]float64{}
	for _, name := range os.Args[1:] {
		f, ok := all[name]
		if !ok {
			fmt.Fprintf(os.Stderr, "goroutines: no benchmark %q\n", name)
			os.Exit(2)
		}
		results[name] = f()
	}
	if err := json.NewEncoder(os.Stdout).Encode(results); err != nil {
		panic(err)
	}
}
