// A client-go program with nothing changed from its defaults but the rate limit: protobuf bodies, WatchList informers,
// aggregated discovery. It says what it saw, one line a step, without what differs from run to run; the story
// beside it compares the lines with those that a kube-apiserver of the same version produced.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"net/http"
	"os"
	"sort"
	"strings"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/klog/v2"
)

type world struct {
	config    *rest.Config
	client    kubernetes.Interface
	namespace string
	watch     time.Duration
	traffic   *traffic
}

func main() {
	kubeconfig := flag.String("kubeconfig", os.Getenv("KUBECONFIG"), "")
	namespace := flag.String("namespace", "", "an existing namespace without anything of this program in it")
	watch := flag.Duration("watch", 2*time.Second, "how long the quiet watch lasts")
	only := flag.String("only", "", "one part of the program")
	flag.Parse()
	klog.SetOutput(os.Stderr)
	klog.LogToStderr(false)

	config, err := clientcmd.BuildConfigFromFlags("", *kubeconfig)
	must(err)
	config.QPS, config.Burst = 1000, 1000
	config.UserAgent = "tenon-interop"
	seen := &traffic{}
	config.Wrap(func(next http.RoundTripper) http.RoundTripper { return seen.around(next) })
	w := &world{config: config, client: kubernetes.NewForConfigOrDie(protobuf(config)), namespace: *namespace, watch: *watch, traffic: seen}

	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute+*watch)
	defer cancel()
	parts := []struct {
		name string
		run  func(context.Context, *world)
	}{
		{"discovery", discoveryPart},
		{"objects", objectsPart},
		{"workloads", workloadsPart},
		{"informers", informersPart},
		{"versions", versionsPart},
		{"pages", pagesPart},
		{"deletion", deletionPart},
		{"watches", watchesPart},
		{"dynamic", dynamicPart},
		{"metadata", metadataPart},
		{"identity", identityPart},
		{"election", electionPart},
		{"events", eventsPart},
	}
	for _, part := range parts {
		if *only != "" && *only != part.name {
			continue
		}
		fmt.Printf("# %s\n", part.name)
		part.run(ctx, w)
	}
	if *only == "" {
		fmt.Println("# bodies")
		seen.report()
	}
}

// As the core components configure their clients.
func protobuf(config *rest.Config) *rest.Config {
	changed := rest.CopyConfig(config)
	changed.ContentType = "application/vnd.kubernetes.protobuf"
	changed.AcceptContentTypes = "application/vnd.kubernetes.protobuf,application/json"
	return changed
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}

// One line: the step, and either what came back or the reason it did not.
func say(step string, value any, err error) {
	if err != nil {
		fmt.Printf("%s: %s\n", step, failure(err))
		return
	}
	switch shown := value.(type) {
	case nil:
		fmt.Printf("%s: ok\n", step)
	case string:
		fmt.Printf("%s: %s\n", step, shown)
	default:
		fmt.Printf("%s: %s\n", step, stable(value))
	}
}

func failure(err error) string {
	if status, ok := err.(apierrors.APIStatus); ok {
		return fmt.Sprintf("%d %s %q", status.Status().Code, status.Status().Reason, tidy(status.Status().Message))
	}
	return fmt.Sprintf("%T %q", err, err.Error())
}

var unstable = map[string]bool{
	"uid": true, "resourceVersion": true, "creationTimestamp": true, "managedFields": true, "namespace": true,
	"lastTransitionTime": true, "clusterIP": true, "clusterIPs": true, "deletionTimestamp": true,
	// From admission plugins that a server may be without.
	"priority": true, "preemptionPolicy": true, "tolerations": true,
}

// JSON with sorted keys and without what differs from run to run.
func stable(value any) string {
	raw, err := json.Marshal(value)
	must(err)
	var tree any
	must(json.Unmarshal(raw, &tree))
	raw, err = json.Marshal(strip(tree))
	must(err)
	return string(raw)
}

func strip(tree any) any {
	switch node := tree.(type) {
	case map[string]any:
		for key, child := range node {
			if unstable[key] {
				delete(node, key)
				continue
			}
			node[key] = strip(child)
		}
	case []any:
		for i := range node {
			node[i] = strip(node[i])
		}
	}
	return tree
}

var words = strings.NewReplacer()

func tidy(text string) string { return words.Replace(text) }

// What went over the wire, by kind of exchange.
type traffic struct {
	mutex sync.Mutex
	kinds map[string]bool
	sent  []string
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(request *http.Request) (*http.Response, error) { return f(request) }

func (t *traffic) around(next http.RoundTripper) http.RoundTripper {
	return roundTripper(func(request *http.Request) (*http.Response, error) {
		response, err := next.RoundTrip(request)
		t.mutex.Lock()
		defer t.mutex.Unlock()
		if err != nil {
			return response, err
		}
		if t.kinds == nil {
			t.kinds = map[string]bool{}
		}
		verb := request.Method
		if request.URL.Query().Get("watch") != "" {
			verb = "WATCH"
		}
		t.sent = append(t.sent, verb+" "+request.URL.RequestURI())
		if strings.HasPrefix(request.URL.Path, "/openapi") {
			return response, nil
		}
		kind := fmt.Sprintf("%s %d over %s: %s -> %s", verb, response.StatusCode, response.Proto,
			request.Header.Get("Content-Type"), response.Header.Get("Content-Type"))
		t.kinds[kind] = true
		return response, nil
	})
}

func (t *traffic) since(mark int) []string {
	t.mutex.Lock()
	defer t.mutex.Unlock()
	return append([]string(nil), t.sent[mark:]...)
}

func (t *traffic) mark() int {
	t.mutex.Lock()
	defer t.mutex.Unlock()
	return len(t.sent)
}

func (t *traffic) report() {
	t.mutex.Lock()
	defer t.mutex.Unlock()
	lines := make([]string, 0, len(t.kinds))
	for kind := range t.kinds {
		lines = append(lines, kind)
	}
	sort.Strings(lines)
	for _, line := range lines {
		fmt.Println(line)
	}
}

func named(name string) metav1.ObjectMeta {
	return metav1.ObjectMeta{Name: name, Labels: map[string]string{"story": "client-go"}}
}

func eventually(ctx context.Context, what string, check func() bool) {
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		if check() {
			return
		}
	}
	fmt.Printf("%s: never\n", what)
}
