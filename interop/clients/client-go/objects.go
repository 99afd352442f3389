package main

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/client-go/tools/pager"
	"k8s.io/client-go/util/retry"
)

func merge(text string) (types.PatchType, []byte) { return types.MergePatchType, []byte(text) }

func objectsPart(ctx context.Context, w *world) {
	maps := w.client.CoreV1().ConfigMaps(w.namespace)
	made, err := maps.Create(ctx, &corev1.ConfigMap{ObjectMeta: named("one"), Data: map[string]string{"a": "1"},
		BinaryData: map[string][]byte{"b": {0, 255}}}, metav1.CreateOptions{})
	say("create ConfigMap", made, err)
	_, err = maps.Create(ctx, &corev1.ConfigMap{ObjectMeta: named("one")}, metav1.CreateOptions{})
	say("create it again", nil, err)
	dry, err := maps.Create(ctx, &corev1.ConfigMap{ObjectMeta: named("dry")}, metav1.CreateOptions{DryRun: []string{"All"}})
	say("dry run", dry, err)
	stale := made.DeepCopy()
	made.Data["a"] = "2"
	made, err = maps.Update(ctx, made, metav1.UpdateOptions{})
	say("update", made, err)
	stale.Data["a"] = "3"
	_, err = maps.Update(ctx, stale, metav1.UpdateOptions{})
	say("stale update", nil, err)
	tries := 0
	err = retry.RetryOnConflict(retry.DefaultRetry, func() error {
		if tries++; tries > 1 {
			fresh, err := maps.Get(ctx, "one", metav1.GetOptions{})
			must(err)
			stale = fresh
		}
		stale.Data["a"] = "4"
		_, err := maps.Update(ctx, stale, metav1.UpdateOptions{})
		return err
	})
	say("retried update", strconv.Itoa(tries)+" tries", err)
	kind, body := merge(`{"data":{"a":null,"c":"5"}}`)
	patched, err := maps.Patch(ctx, "one", kind, body, metav1.PatchOptions{})
	say("merge patch", patched, err)
	patched, err = maps.Patch(ctx, "one", types.JSONPatchType, []byte(`[{"op":"add","path":"/data/d","value":"6"}]`), metav1.PatchOptions{})
	say("JSON patch", patched, err)
	_, err = maps.Patch(ctx, "one", types.JSONPatchType, []byte(`[{"op":"test","path":"/data/d","value":"7"}]`), metav1.PatchOptions{})
	say("failed test", nil, err)
	patched, err = maps.Patch(ctx, "one", types.StrategicMergePatchType, []byte(`{"metadata":{"labels":{"x":"y"}}}`), metav1.PatchOptions{})
	say("strategic patch", patched, err)
	_, err = maps.Get(ctx, "none", metav1.GetOptions{})
	say("get what is not there", nil, err)
	_, err = maps.Create(ctx, &corev1.ConfigMap{ObjectMeta: named("Wrong_Name")}, metav1.CreateOptions{})
	say("create with a wrong name", nil, err)
	generated, err := maps.Create(ctx, &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{GenerateName: "made-"}}, metav1.CreateOptions{})
	say("generated name", strconv.FormatBool(err == nil && strings.HasPrefix(generated.Name, "made-") && len(generated.Name) == 10), err)

	secret, err := w.client.CoreV1().Secrets(w.namespace).Create(ctx, &corev1.Secret{ObjectMeta: named("one"), StringData: map[string]string{"k": "v"}}, metav1.CreateOptions{})
	say("create Secret", secret, err)
	account, err := w.client.CoreV1().ServiceAccounts(w.namespace).Create(ctx, &corev1.ServiceAccount{ObjectMeta: named("one")}, metav1.CreateOptions{})
	say("create ServiceAccount", account, err)

	services := w.client.CoreV1().Services(w.namespace)
	service, err := services.Create(ctx, &corev1.Service{ObjectMeta: named("one"), Spec: corev1.ServiceSpec{
		Selector: map[string]string{"app": "one"},
		Ports:    []corev1.ServicePort{{Name: "http", Port: 80, TargetPort: intstr.FromString("web")}, {Name: "dns", Port: 53, Protocol: "UDP"}}}}, metav1.CreateOptions{})
	say("create Service", service, err)
	service, err = services.Patch(ctx, "one", types.StrategicMergePatchType, []byte(`{"spec":{"ports":[{"port":53,"$patch":"delete"},{"port":80,"name":"web"}]}}`), metav1.PatchOptions{})
	say("strategic patch of its ports", service, err)
	service, err = services.UpdateStatus(ctx, withIngress(service), metav1.UpdateOptions{})
	say("status of a Service", service, err)

	leases := w.client.CoordinationV1().Leases(w.namespace)
	holder, seconds := "me", int32(15)
	lease, err := leases.Create(ctx, &coordinationv1.Lease{ObjectMeta: named("one"), Spec: coordinationv1.LeaseSpec{
		HolderIdentity: &holder, LeaseDurationSeconds: &seconds, RenewTime: &metav1.MicroTime{Time: time.Unix(1700000000, 123456000)}}}, metav1.CreateOptions{})
	say("create Lease", lease, err)
	lease, err = leases.Patch(ctx, "one", types.MergePatchType, []byte(`{"spec":{"holderIdentity":"you"}}`), metav1.PatchOptions{})
	say("patch Lease", lease, err)

	role, err := w.client.RbacV1().Roles(w.namespace).Create(ctx, &rbacv1.Role{ObjectMeta: named("reader"), Rules: []rbacv1.PolicyRule{
		{APIGroups: []string{""}, Resources: []string{"configmaps"}, Verbs: []string{"get", "list"}, ResourceNames: []string{"one"}}}}, metav1.CreateOptions{})
	say("create Role", role, err)
	binding, err := w.client.RbacV1().RoleBindings(w.namespace).Create(ctx, &rbacv1.RoleBinding{ObjectMeta: named("reader"),
		RoleRef: rbacv1.RoleRef{Kind: "Role", Name: "reader"}, Subjects: []rbacv1.Subject{{Kind: "ServiceAccount", Name: "one", Namespace: w.namespace}}}, metav1.CreateOptions{})
	say("create RoleBinding", binding, err)
	if err == nil {
		binding.RoleRef.Name = "other"
		_, err = w.client.RbacV1().RoleBindings(w.namespace).Update(ctx, binding, metav1.UpdateOptions{})
		say("change roleRef", nil, err)
	}
	_, err = w.client.RbacV1().Roles(w.namespace).Create(ctx, &rbacv1.Role{ObjectMeta: named("bad"), Rules: []rbacv1.PolicyRule{{APIGroups: []string{""}}}}, metav1.CreateOptions{})
	say("create a Role without verbs", nil, err)
}

func withIngress(service *corev1.Service) *corev1.Service {
	changed := service.DeepCopy()
	changed.Spec.Selector = map[string]string{"not": "written here"}
	changed.Status.Conditions = []metav1.Condition{{Type: "Tested", Status: "True", Reason: "Yes", LastTransitionTime: metav1.Unix(1700000000, 0)}}
	return changed
}

func template() corev1.PodTemplateSpec {
	return corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: map[string]string{"app": "one"}},
		Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: "web", Image: "example.com/web", Ports: []corev1.ContainerPort{{ContainerPort: 80}},
			ReadinessProbe: &corev1.Probe{ProbeHandler: corev1.ProbeHandler{HTTPGet: &corev1.HTTPGetAction{Port: intstr.FromInt32(80)}}}}}}}
}

func workloadsPart(ctx context.Context, w *world) {
	replicas := int32(0)
	selector := &metav1.LabelSelector{MatchLabels: map[string]string{"app": "one"}}
	deployments := w.client.AppsV1().Deployments(w.namespace)
	deployment, err := deployments.Create(ctx, &appsv1.Deployment{ObjectMeta: named("one"),
		Spec: appsv1.DeploymentSpec{Paused: true, Replicas: &replicas, Selector: selector, Template: template()}}, metav1.CreateOptions{})
	say("create Deployment", deployment, err)
	scale, err := deployments.GetScale(ctx, "one", metav1.GetOptions{})
	say("scale", scale, err)
	if err == nil {
		scale.Spec.Replicas = 0
		scale, err = deployments.UpdateScale(ctx, "one", scale, metav1.UpdateOptions{})
		say("update scale", scale, err)
	}
	_, err = deployments.Create(ctx, &appsv1.Deployment{ObjectMeta: named("bad"), Spec: appsv1.DeploymentSpec{Template: template()}}, metav1.CreateOptions{})
	say("create a Deployment without selector", nil, err)
	set, err := w.client.AppsV1().ReplicaSets(w.namespace).Create(ctx, &appsv1.ReplicaSet{ObjectMeta: named("one"),
		Spec: appsv1.ReplicaSetSpec{Replicas: &replicas, Selector: selector, Template: template()}}, metav1.CreateOptions{})
	say("create ReplicaSet", set, err)

	pods := w.client.CoreV1().Pods(w.namespace)
	pod, err := pods.Create(ctx, &corev1.Pod{ObjectMeta: named("one"), Spec: template().Spec}, metav1.CreateOptions{})
	say("create Pod", pod, err)
	must(err)
	pod.Status.Phase, pod.Status.PodIP = corev1.PodRunning, "10.1.2.3"
	pod.Status.PodIPs = []corev1.PodIP{{IP: "10.1.2.3"}}
	pod, err = pods.UpdateStatus(ctx, pod, metav1.UpdateOptions{})
	say("status of a Pod", pod, err)
	listed, err := pods.List(ctx, metav1.ListOptions{FieldSelector: "status.phase=Running,spec.nodeName=", LabelSelector: "story in (client-go)"})
	say("list by phase", strconv.Itoa(len(listed.Items)), err)
	_, err = pods.List(ctx, metav1.ListOptions{FieldSelector: "spec.containers=x"})
	say("list by a field nobody knows", nil, err)
	if err = pods.Bind(ctx, &corev1.Binding{ObjectMeta: metav1.ObjectMeta{Name: "one"}, Target: corev1.ObjectReference{Kind: "Node", Name: "nowhere"}}, metav1.CreateOptions{}); err == nil {
		pod, err = pods.Get(ctx, "one", metav1.GetOptions{})
	}
	say("bind", pod, err)
	err = pods.Bind(ctx, &corev1.Binding{ObjectMeta: metav1.ObjectMeta{Name: "one"}, Target: corev1.ObjectReference{Kind: "Node", Name: "elsewhere"}}, metav1.CreateOptions{})
	say("bind again", nil, err)
	evict := func(dry ...string) error {
		return pods.EvictV1(ctx, &policyv1.Eviction{ObjectMeta: metav1.ObjectMeta{Name: "one"}, DeleteOptions: &metav1.DeleteOptions{DryRun: dry}})
	}
	say("evict, dry", nil, evict("All"))
	pod, err = pods.Get(ctx, "one", metav1.GetOptions{})
	say("still there", strconv.FormatBool(pod.DeletionTimestamp == nil), err)
	say("evict", nil, evict())
	pod, err = pods.Get(ctx, "one", metav1.GetOptions{})
	say("on its way out", strconv.FormatBool(pod.DeletionTimestamp != nil && *pod.DeletionGracePeriodSeconds == 30), err)
	now := int64(0)
	say("delete at once", nil, pods.Delete(ctx, "one", metav1.DeleteOptions{GracePeriodSeconds: &now}))
	_, err = pods.Get(ctx, "one", metav1.GetOptions{})
	say("gone", nil, err)
}

func versionsPart(ctx context.Context, w *world) {
	maps := w.client.CoreV1().ConfigMaps(w.namespace)
	first, err := maps.Create(ctx, &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "versioned", Labels: map[string]string{"rule": "yes"}}, Data: map[string]string{"n": "1"}}, metav1.CreateOptions{})
	must(err)
	_, err = maps.Patch(ctx, "versioned", types.MergePatchType, []byte(`{"data":{"n":"2"}}`), metav1.PatchOptions{})
	must(err)
	words = strings.NewReplacer(first.ResourceVersion, "FIRST", "18446744073709551", "FUTURE")
	value := func(list *corev1.ConfigMapList) string {
		for _, one := range list.Items {
			if one.Name == "versioned" {
				return "n=" + one.Data["n"]
			}
		}
		return "not listed"
	}
	for _, rule := range []struct {
		version string
		match   metav1.ResourceVersionMatch
	}{{"", ""}, {"0", ""}, {first.ResourceVersion, ""}, {first.ResourceVersion, "NotOlderThan"}, {first.ResourceVersion, "Exact"},
		{"0", "NotOlderThan"}, {"0", "Exact"}, {"", "Exact"}, {first.ResourceVersion, "Wrong"}, {"abc", ""}, {"abc", "Exact"}} {
		options := metav1.ListOptions{ResourceVersion: rule.version, ResourceVersionMatch: rule.match, LabelSelector: "rule=yes"}
		list, err := maps.List(ctx, options)
		version := rule.version
		if version == first.ResourceVersion {
			version = "FIRST"
		}
		say(fmt.Sprintf("list at %q %q", version, rule.match), value(list), err)
		options.Limit = 1
		list, err = maps.List(ctx, options)
		say(fmt.Sprintf("list at %q %q with a limit", version, rule.match), value(list), err)
	}
	for _, version := range []string{"0", first.ResourceVersion, "abc"} {
		got, err := maps.Get(ctx, "versioned", metav1.GetOptions{ResourceVersion: version})
		if err == nil {
			say("get at a version", got.Data["n"], nil)
		} else {
			say("get at "+version, nil, err)
		}
	}
	var watched []string
	watcher, err := maps.Watch(ctx, metav1.ListOptions{ResourceVersion: first.ResourceVersion, FieldSelector: "metadata.name=versioned"})
	must(err)
	event := <-watcher.ResultChan()
	watched = append(watched, string(event.Type)+" "+event.Object.(*corev1.ConfigMap).Data["n"])
	watcher.Stop()
	say("watch from a version", strings.Join(watched, ","), nil)
	_, err = maps.Watch(ctx, metav1.ListOptions{ResourceVersion: "abc"})
	say("watch from nonsense", nil, err)
	// Without the retries that the answer asks for.
	err = w.client.CoreV1().RESTClient().Get().Resource("configmaps").Namespace(w.namespace).
		Param("resourceVersion", "18446744073709551").MaxRetries(0).Do(ctx).Error()
	text, _, _ := strings.Cut(failure(err), ", current")
	say("list in the future", text, nil)
	words = strings.NewReplacer()
}

func ptr[T any](value T) *T { return &value }

func pagesPart(ctx context.Context, w *world) {
	maps := w.client.CoreV1().ConfigMaps(w.namespace)
	for i := range 25 {
		_, err := maps.Create(ctx, &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprintf("page-%02d", i), Labels: map[string]string{"page": "yes"}}}, metav1.CreateOptions{})
		must(err)
	}
	continued, sizes := "", []string{}
	versions := map[string]bool{}
	for {
		list, err := maps.List(ctx, metav1.ListOptions{Limit: 10, Continue: continued, FieldSelector: "metadata.name!=none"})
		must(err)
		versions[list.ResourceVersion] = true
		continued = list.Continue
		if continued == "" {
			break
		}
		sizes = append(sizes, strconv.Itoa(len(list.Items)))
	}
	say("pages under a selector", strings.Join(sizes, ","), nil)
	say("all of one version", strconv.FormatBool(len(versions) == 1), nil)
	list, err := maps.List(ctx, metav1.ListOptions{Limit: 1})
	must(err)
	say("what is left is counted", strconv.FormatBool(list.RemainingItemCount != nil && *list.RemainingItemCount >= 24), nil)
	list, err = maps.List(ctx, metav1.ListOptions{Limit: 10, LabelSelector: "page=yes"})
	must(err)
	say("not under a selector", strconv.FormatBool(list.RemainingItemCount == nil), nil)
	_, err = maps.List(ctx, metav1.ListOptions{Limit: 10, Continue: "bm9uc2Vuc2U"})
	say("continue with nonsense", nil, err)
	_, err = maps.List(ctx, metav1.ListOptions{Limit: 10, Continue: list.Continue, ResourceVersion: list.ResourceVersion})
	say("continue and a version", nil, err)
	count := 0
	pages := pager.New(pager.SimplePageFunc(func(options metav1.ListOptions) (runtime.Object, error) {
		options.LabelSelector = "page=yes"
		return maps.List(ctx, options)
	}))
	pages.PageSize = 7
	err = pages.EachListItem(ctx, metav1.ListOptions{}, func(runtime.Object) error { count++; return nil })
	say("the pager saw", strconv.Itoa(count), err)
	say("delete the collection", nil, maps.DeleteCollection(ctx, metav1.DeleteOptions{}, metav1.ListOptions{LabelSelector: "page=yes"}))
	list, err = maps.List(ctx, metav1.ListOptions{LabelSelector: "page=yes"})
	say("left", strconv.Itoa(len(list.Items)), err)
}

func deletionPart(ctx context.Context, w *world) {
	maps := w.client.CoreV1().ConfigMaps(w.namespace)
	held := &corev1.ConfigMap{ObjectMeta: named("held")}
	held.Finalizers = []string{"example.com/hold"}
	held, err := maps.Create(ctx, held, metav1.CreateOptions{})
	must(err)
	words = strings.NewReplacer(string(held.UID), "UID", held.ResourceVersion, "VERSION")
	wrong := types.UID("00000000-0000-4000-8000-000000000000")
	say("delete with a wrong uid", nil, maps.Delete(ctx, "held", metav1.DeleteOptions{Preconditions: &metav1.Preconditions{UID: &wrong}}))
	say("delete with a wrong version", nil, maps.Delete(ctx, "held", metav1.DeleteOptions{Preconditions: &metav1.Preconditions{ResourceVersion: ptr("1")}}))
	foreground, background := metav1.DeletePropagationForeground, metav1.DeletePropagationBackground
	say("delete what is held", nil, maps.Delete(ctx, "held", metav1.DeleteOptions{PropagationPolicy: &background}))
	held, err = maps.Get(ctx, "held", metav1.GetOptions{})
	say("is being deleted", strconv.FormatBool(held.DeletionTimestamp != nil), err)
	held.Finalizers = append(held.Finalizers, "example.com/more")
	_, err = maps.Update(ctx, held, metav1.UpdateOptions{})
	say("add a finalizer now", nil, err)
	kind, body := merge(`{"metadata":{"finalizers":null}}`)
	_, err = maps.Patch(ctx, "held", kind, body, metav1.PatchOptions{})
	say("let go", nil, err)
	_, err = maps.Get(ctx, "held", metav1.GetOptions{})
	say("gone", nil, err)
	_, err = maps.Create(ctx, &corev1.ConfigMap{ObjectMeta: named("front")}, metav1.CreateOptions{})
	must(err)
	say("foreground", nil, maps.Delete(ctx, "front", metav1.DeleteOptions{PropagationPolicy: &foreground, DryRun: []string{"All"}}))
	say("a policy nobody knows", nil, maps.Delete(ctx, "front", metav1.DeleteOptions{PropagationPolicy: ptr(metav1.DeletionPropagation("Sideways"))}))
	words = strings.NewReplacer()
}
