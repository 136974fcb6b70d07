// go-fetch PARALLEL CA_FILE: GETs the URLs of standard input with net/http's client as a program would use it, reads
// every body to its end, and ends with 1 if any answer was not 200.
package main

import (
	"bufio"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
)

func main() {
	parallel, _ := strconv.Atoi(os.Args[1])
	transport := &http.Transport{MaxIdleConnsPerHost: parallel, MaxConnsPerHost: parallel, ForceAttemptHTTP2: true}
	if len(os.Args) > 2 && os.Args[2] != "" {
		pem, err := os.ReadFile(os.Args[2])
		if err != nil {
			panic(err)
		}
		pool := x509.NewCertPool()
		pool.AppendCertsFromPEM(pem)
		transport.TLSClientConfig = &tls.Config{RootCAs: pool}
	}
	client := &http.Client{Transport: transport}
	urls := make(chan string, parallel)
	var failed, bytes int64
	var group sync.WaitGroup
	for i := 0; i < parallel; i++ {
		group.Add(1)
		go func() {
			defer group.Done()
			for url := range urls {
				response, err := client.Get(url)
				if err != nil {
					atomic.AddInt64(&failed, 1)
					continue
				}
				n, err := io.Copy(io.Discard, response.Body)
				response.Body.Close()
				atomic.AddInt64(&bytes, n)
				if err != nil || response.StatusCode != 200 {
					atomic.AddInt64(&failed, 1)
				}
			}
		}()
	}
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		urls <- lines.Text()
	}
	close(urls)
	group.Wait()
	fmt.Fprintf(os.Stderr, "%d bytes, %d failed\n", bytes, failed)
	if failed != 0 {
		os.Exit(1)
	}
}
