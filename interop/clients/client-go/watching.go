package main

import (
	"context"
	"fmt"
	"sort"
	"strings"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/dynamic/dynamicinformer"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/metadata"
	"k8s.io/client-go/metadata/metadatainformer"
	"k8s.io/client-go/tools/cache"
)

var watchedResources = []string{
	"v1 configmaps", "v1 endpoints", "v1 events", "v1 namespaces", "v1 nodes", "v1 pods", "v1 secrets", "v1 serviceaccounts", "v1 services",
	"apps/v1 deployments", "apps/v1 replicasets", "coordination.k8s.io/v1 leases", "discovery.k8s.io/v1 endpointslices",
	"rbac.authorization.k8s.io/v1 clusterroles", "rbac.authorization.k8s.io/v1 clusterrolebindings",
	"rbac.authorization.k8s.io/v1 roles", "rbac.authorization.k8s.io/v1 rolebindings",
}

func resource(text string) schema.GroupVersionResource {
	version, name, _ := strings.Cut(text, " ")
	parsed, err := schema.ParseGroupVersion(version)
	must(err)
	return parsed.WithResource(name)
}

// What an informer reported of one object, in order.
type story struct {
	mutex sync.Mutex
	lines []string
	name  string
}

func (s *story) handler() cache.ResourceEventHandler {
	note := func(verb string, object any) {
		if unknown, ok := object.(cache.DeletedFinalStateUnknown); ok {
			object = unknown.Obj
		}
		accessor, err := meta.Accessor(object)
		must(err)
		if accessor.GetName() != s.name {
			return
		}
		s.mutex.Lock()
		defer s.mutex.Unlock()
		s.lines = append(s.lines, fmt.Sprintf("%s%v", verb, accessor.GetLabels()["step"]))
	}
	return cache.ResourceEventHandlerFuncs{
		AddFunc:    func(object any) { note("add", object) },
		UpdateFunc: func(_, object any) { note("update", object) },
		DeleteFunc: func(object any) { note("delete", object) },
	}
}

func (s *story) seen() string {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	return strings.Join(s.lines, " ")
}

func (s *story) act(ctx context.Context, w *world) {
	maps := w.client.CoreV1().ConfigMaps(w.namespace)
	_, err := maps.Create(ctx, &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: s.name, Labels: map[string]string{"step": "1"}}}, metav1.CreateOptions{})
	must(err)
	_, err = maps.Patch(ctx, s.name, types.MergePatchType, []byte(`{"metadata":{"labels":{"step":"2"}}}`), metav1.PatchOptions{})
	must(err)
	// A store may skip states, so each is waited for.
	eventually(ctx, "update seen", func() bool { return strings.Contains(s.seen(), "update2") })
	must(maps.Delete(ctx, s.name, metav1.DeleteOptions{}))
	eventually(ctx, "delete seen", func() bool { return strings.Contains(s.seen(), "delete") })
}

func informersPart(ctx context.Context, w *world) {
	mark := w.traffic.mark()
	stop, cancel := context.WithCancel(ctx)
	factory := informers.NewSharedInformerFactory(w.client, 0)
	for _, name := range watchedResources {
		_, err := factory.ForResource(resource(name))
		must(err)
	}
	told := &story{name: "informed"}
	_, err := factory.Core().V1().ConfigMaps().Informer().AddEventHandler(told.handler())
	must(err)
	factory.Start(stop.Done())
	synced := 0
	for _, ok := range factory.WaitForCacheSync(stop.Done()) {
		if ok {
			synced++
		}
	}
	say("synced", fmt.Sprintf("%d of %d", synced, len(watchedResources)), nil)
	say("by", requests(w.traffic.since(mark)), nil)
	namespace, err := factory.Core().V1().Namespaces().Lister().Get(w.namespace)
	say("the lister has the namespace", string(namespace.Status.Phase), err)
	roles, err := factory.Rbac().V1().ClusterRoles().Lister().Get("cluster-admin")
	say("and cluster-admin", roles.Rules, err)
	told.act(ctx, w)
	say("told", told.seen(), nil)
	cancel()
	factory.Shutdown()
}

// How the caches were filled: the kinds of request, each once.
func requests(sent []string) string {
	kinds := map[string]bool{}
	for _, one := range sent {
		verb, uri, _ := strings.Cut(one, " ")
		_, query, _ := strings.Cut(uri, "?")
		var shown []string
		for _, parameter := range strings.Split(query, "&") {
			if strings.HasPrefix(parameter, "timeout") || strings.HasPrefix(parameter, "resourceVersion=") || parameter == "" {
				continue
			}
			shown = append(shown, parameter)
		}
		kinds[verb+"?"+strings.Join(shown, "&")] = true
	}
	var lines []string
	for kind := range kinds {
		lines = append(lines, kind)
	}
	sort.Strings(lines)
	return strings.Join(lines, " | ")
}

func watchesPart(ctx context.Context, w *world) {
	maps := w.client.CoreV1().ConfigMaps(w.namespace)
	yes := true
	initial, err := maps.Watch(ctx, metav1.ListOptions{SendInitialEvents: &yes, AllowWatchBookmarks: true, ResourceVersionMatch: "NotOlderThan", LabelSelector: "story=client-go"})
	must(err)
	var order []string
	for event := range initial.ResultChan() {
		accessor, err := meta.Accessor(event.Object)
		must(err)
		if event.Type == watch.Bookmark {
			order = append(order, fmt.Sprintf("BOOKMARK %s", accessor.GetAnnotations()["k8s.io/initial-events-end"]))
			break
		}
		order = append(order, fmt.Sprintf("%s %s", event.Type, accessor.GetName()))
	}
	initial.Stop()
	say("streamed list", strings.Join(order, ", "), nil)
	_, err = maps.Watch(ctx, metav1.ListOptions{SendInitialEvents: &yes, AllowWatchBookmarks: true})
	say("without the match", nil, err)
	_, err = maps.Watch(ctx, metav1.ListOptions{SendInitialEvents: &yes, ResourceVersionMatch: "Exact", ResourceVersion: "1"})
	say("with an exact match", nil, err)
	list, err := maps.List(ctx, metav1.ListOptions{})
	must(err)

	seconds := int64(w.watch / time.Second)
	began := time.Now()
	quiet, err := maps.Watch(ctx, metav1.ListOptions{AllowWatchBookmarks: true, ResourceVersion: list.ResourceVersion, LabelSelector: "nothing=here", TimeoutSeconds: &seconds})
	must(err)
	kinds := map[string]int{}
	for event := range quiet.ResultChan() {
		kinds[string(event.Type)]++
	}
	lasted := time.Since(began)
	say("the quiet watch ended in time", fmt.Sprintf("%v", lasted > w.watch-500*time.Millisecond && lasted < w.watch+3*time.Second), nil)
	bookmarks := kinds["BOOKMARK"]
	delete(kinds, "BOOKMARK")
	say("with nothing but bookmarks", fmt.Sprintf("%v %v", bookmarks > 0 || w.watch < time.Minute, kinds), nil)

	// A watch under a selector sees objects come and go as their labels change.
	selected, err := maps.Watch(ctx, metav1.ListOptions{ResourceVersion: list.ResourceVersion, LabelSelector: "colour=red"})
	must(err)
	_, err = maps.Create(ctx, &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "painted"}}, metav1.CreateOptions{})
	must(err)
	for _, label := range []string{`"red"`, `"red","x":"y"`, `"blue"`} {
		_, err = maps.Patch(ctx, "painted", types.MergePatchType, []byte(`{"metadata":{"labels":{"colour":`+label+`}}}`), metav1.PatchOptions{})
		must(err)
	}
	must(maps.Delete(ctx, "painted", metav1.DeleteOptions{}))
	order = nil
	for event := range selected.ResultChan() {
		one := event.Object.(*corev1.ConfigMap)
		order = append(order, fmt.Sprintf("%s %s", event.Type, one.Labels["colour"]))
		if event.Type == watch.Deleted {
			break
		}
	}
	selected.Stop()
	say("under a selector", strings.Join(order, ", "), nil)
}

func dynamicPart(ctx context.Context, w *world) {
	client := dynamic.NewForConfigOrDie(w.config)
	maps := client.Resource(resource("v1 configmaps")).Namespace(w.namespace)
	object := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "v1", "kind": "ConfigMap", "metadata": map[string]any{"name": "loose"}, "data": map[string]any{"a": "1"}}}
	made, err := maps.Create(ctx, object, metav1.CreateOptions{})
	say("create", made, err)
	must(unstructured.SetNestedField(made.Object, "2", "data", "a"))
	made, err = maps.Update(ctx, made, metav1.UpdateOptions{})
	say("update", made, err)
	wrong := object.DeepCopy()
	wrong.SetName("wrong")
	must(unstructured.SetNestedField(wrong.Object, "x", "dta"))
	_, err = maps.Create(ctx, wrong, metav1.CreateOptions{FieldValidation: "Strict"})
	say("create with an unknown field", nil, err)
	list, err := client.Resource(resource("apps/v1 deployments")).Namespace(w.namespace).List(ctx, metav1.ListOptions{})
	say("list", fmt.Sprintf("%s of %d", list.GetKind(), len(list.Items)), err)
	scale, err := client.Resource(resource("apps/v1 deployments")).Namespace(w.namespace).Get(ctx, "one", metav1.GetOptions{}, "scale")
	say("scale", scale, err)
	_, err = client.Resource(resource("nobody.example.com/v1 things")).List(ctx, metav1.ListOptions{})
	say("a group nobody has", nil, err)
	must(maps.Delete(ctx, "loose", metav1.DeleteOptions{}))

	mark := w.traffic.mark()
	stop, cancel := context.WithCancel(ctx)
	factory := dynamicinformer.NewFilteredDynamicSharedInformerFactory(client, 0, w.namespace, nil)
	told := &story{name: "loosely-informed"}
	_, err = factory.ForResource(resource("v1 configmaps")).Informer().AddEventHandler(told.handler())
	must(err)
	factory.Start(stop.Done())
	factory.WaitForCacheSync(stop.Done())
	say("synced by", requests(w.traffic.since(mark)), nil)
	told.act(ctx, w)
	say("told", told.seen(), nil)
	cancel()
	factory.Shutdown()
}

func metadataPart(ctx context.Context, w *world) {
	client := metadata.NewForConfigOrDie(w.config)
	maps := client.Resource(resource("v1 configmaps")).Namespace(w.namespace)
	got, err := maps.Get(ctx, "one", metav1.GetOptions{})
	say("get", got, err)
	list, err := maps.List(ctx, metav1.ListOptions{LabelSelector: "story=client-go", Limit: 2})
	say("list", fmt.Sprintf("%d %v", len(list.Items), list.Continue != ""), err)
	got, err = maps.Patch(ctx, "one", types.MergePatchType, []byte(`{"metadata":{"annotations":{"seen":"yes"}}}`), metav1.PatchOptions{})
	say("patch", got, err)

	mark := w.traffic.mark()
	stop, cancel := context.WithCancel(ctx)
	factory := metadatainformer.NewFilteredSharedInformerFactory(client, 0, w.namespace, nil)
	told := &story{name: "known-by-name"}
	informer := factory.ForResource(resource("v1 configmaps"))
	_, err = informer.Informer().AddEventHandler(told.handler())
	must(err)
	factory.Start(stop.Done())
	factory.WaitForCacheSync(stop.Done())
	say("synced by", requests(w.traffic.since(mark)), nil)
	held, err := informer.Lister().ByNamespace(w.namespace).Get("one")
	say("in the cache", fmt.Sprintf("%T", held), err)
	told.act(ctx, w)
	say("told", told.seen(), nil)
	cancel()
	factory.Shutdown()
	say("delete", nil, maps.Delete(ctx, "one", metav1.DeleteOptions{}))
}
