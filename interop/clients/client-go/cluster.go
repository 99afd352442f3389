package main

import (
	"context"
	"fmt"
	"sort"
	"strconv"
	"strings"
	"sync"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/kubernetes/scheme"
	typedcorev1 "k8s.io/client-go/kubernetes/typed/core/v1"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/restmapper"
	"k8s.io/client-go/scale"
	"k8s.io/client-go/tools/leaderelection"
	"k8s.io/client-go/tools/leaderelection/resourcelock"
	"k8s.io/client-go/tools/record"
)

func discoveryPart(ctx context.Context, w *world) {
	client := discovery.NewDiscoveryClientForConfigOrDie(w.config)
	version, err := client.ServerVersion()
	say("version", version.Major+"."+version.Minor, err)
	mark := w.traffic.mark()
	_, lists, err := client.ServerGroupsAndResources()
	say("groups and resources", strings.Join(w.traffic.since(mark), " "), err)
	ours := map[string]bool{}
	for _, name := range watchedResources {
		ours[name] = true
	}
	var lines []string
	for _, list := range lists {
		for _, one := range list.APIResources {
			base, _, _ := strings.Cut(one.Name, "/")
			if ours[list.GroupVersion+" "+base] && !strings.Contains("pods/attach pods/exec pods/log pods/portforward pods/proxy services/proxy nodes/proxy pods/ephemeralcontainers pods/resize", one.Name) {
				lines = append(lines, fmt.Sprintf("%s %s %s/%s %s %v %v %v %v", list.GroupVersion, one.Name, one.Group, one.Version, one.Kind, one.Namespaced, one.Verbs, one.ShortNames, one.Categories))
			}
		}
	}
	sort.Strings(lines)
	for _, line := range lines {
		fmt.Println(line)
	}
	groups, err := restmapper.GetAPIGroupResources(client)
	must(err)
	mapper := restmapper.NewDiscoveryRESTMapper(groups)
	mapper = restmapper.NewShortcutExpander(mapper, client, nil)
	for _, name := range []string{"cm", "deploy", "ns", "clusterroles.rbac.authorization.k8s.io", "lease", "nothing"} {
		found, err := mapper.KindFor(schema.ParseGroupResource(name).WithVersion(""))
		if err != nil {
			say("kind for "+name, "none", nil)
			continue
		}
		mapping, err := mapper.RESTMapping(found.GroupKind())
		say("kind for "+name, fmt.Sprintf("%s -> %s %s", found, mapping.Resource, mapping.Scope.Name()), err)
	}
	paths, err := client.OpenAPIV3().Paths()
	must(err)
	_, core := paths["api/v1"]
	say("OpenAPI of api/v1", strconv.FormatBool(core), nil)
	document, err := paths["apis/apps/v1"].Schema("application/json")
	say("OpenAPI of apps/v1", strconv.FormatBool(len(document) > 1000), err)
	resolver := scale.NewDiscoveryScaleKindResolver(client)
	kind, err := resolver.ScaleForResource(resource("apps/v1 deployments"))
	say("scale of deployments", kind.String(), err)
}

func identityPart(ctx context.Context, w *world) {
	review, err := w.client.AuthorizationV1().SubjectAccessReviews().Create(ctx, &authorizationv1.SubjectAccessReview{Spec: authorizationv1.SubjectAccessReviewSpec{
		User: "jane", Groups: []string{"system:masters"}, ResourceAttributes: &authorizationv1.ResourceAttributes{Verb: "get", Resource: "pods"}}}, metav1.CreateOptions{})
	say("may a master", review.Status.Allowed, err)
	user := "system:serviceaccount:" + w.namespace + ":one"
	for _, name := range []string{"one", "two"} {
		review, err = w.client.AuthorizationV1().SubjectAccessReviews().Create(ctx, &authorizationv1.SubjectAccessReview{Spec: authorizationv1.SubjectAccessReviewSpec{
			User: user, ResourceAttributes: &authorizationv1.ResourceAttributes{Namespace: w.namespace, Verb: "get", Resource: "configmaps", Name: name}}}, metav1.CreateOptions{})
		say("may the account get "+name, review.Status.Allowed, err)
	}
	_, err = w.client.AuthorizationV1().SubjectAccessReviews().Create(ctx, &authorizationv1.SubjectAccessReview{}, metav1.CreateOptions{})
	say("an empty review", nil, err)
	local, err := w.client.AuthorizationV1().LocalSubjectAccessReviews(w.namespace).Create(ctx, &authorizationv1.LocalSubjectAccessReview{ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace},
		Spec: authorizationv1.SubjectAccessReviewSpec{User: "nobody", ResourceAttributes: &authorizationv1.ResourceAttributes{Namespace: w.namespace, Verb: "get", Resource: "pods"}}}, metav1.CreateOptions{})
	say("local review", local.Status.Allowed, err)

	hour := int64(3600)
	request, err := w.client.CoreV1().ServiceAccounts(w.namespace).CreateToken(ctx, "one", &authenticationv1.TokenRequest{Spec: authenticationv1.TokenRequestSpec{ExpirationSeconds: &hour}}, metav1.CreateOptions{})
	must(err)
	say("token", fmt.Sprintf("%v %v", request.Spec.Audiences, time.Until(request.Status.ExpirationTimestamp.Time) > 59*time.Minute), nil)
	checked, err := w.client.AuthenticationV1().TokenReviews().Create(ctx, &authenticationv1.TokenReview{Spec: authenticationv1.TokenReviewSpec{Token: request.Status.Token}}, metav1.CreateOptions{})
	say("token review", fmt.Sprintf("%v %v %v", checked.Status.Authenticated, strings.ReplaceAll(checked.Status.User.Username, w.namespace, "NS"), len(checked.Status.User.Groups)), err)
	checked, err = w.client.AuthenticationV1().TokenReviews().Create(ctx, &authenticationv1.TokenReview{Spec: authenticationv1.TokenReviewSpec{Token: "nonsense"}}, metav1.CreateOptions{})
	say("review of nonsense", checked.Status.Authenticated, err)

	config := rest.AnonymousClientConfig(w.config)
	config.BearerToken = request.Status.Token
	config.QPS = 1000
	account := kubernetes.NewForConfigOrDie(protobuf(config))
	self, err := account.AuthenticationV1().SelfSubjectReviews().Create(ctx, &authenticationv1.SelfSubjectReview{}, metav1.CreateOptions{})
	say("with the token one is", strings.ReplaceAll(self.Status.UserInfo.Username, w.namespace, "NS"), err)
	_, err = account.CoreV1().ConfigMaps(w.namespace).Get(ctx, "reader-may-not", metav1.GetOptions{})
	say("and may not", strings.ReplaceAll(failure(err), w.namespace, "NS"), nil)
	access, err := account.AuthorizationV1().SelfSubjectAccessReviews().Create(ctx, &authorizationv1.SelfSubjectAccessReview{Spec: authorizationv1.SelfSubjectAccessReviewSpec{
		ResourceAttributes: &authorizationv1.ResourceAttributes{Namespace: w.namespace, Verb: "get", Resource: "configmaps", Name: "one"}}}, metav1.CreateOptions{})
	say("but may", access.Status.Allowed, err)
	rules, err := account.AuthorizationV1().SelfSubjectRulesReviews().Create(ctx, &authorizationv1.SelfSubjectRulesReview{Spec: authorizationv1.SelfSubjectRulesReviewSpec{Namespace: w.namespace}}, metav1.CreateOptions{})
	var granted []string
	for _, rule := range rules.Status.ResourceRules {
		granted = append(granted, fmt.Sprintf("%v %v %v %v", rule.Verbs, rule.APIGroups, rule.Resources, rule.ResourceNames))
	}
	for _, rule := range rules.Status.NonResourceRules {
		granted = append(granted, fmt.Sprintf("%v %v", rule.Verbs, rule.NonResourceURLs))
	}
	sort.Strings(granted)
	say("rules", strings.Join(granted, "; "), err)
	config = rest.AnonymousClientConfig(w.config)
	config.BearerToken = "nonsense"
	_, err = kubernetes.NewForConfigOrDie(config).CoreV1().ConfigMaps(w.namespace).List(ctx, metav1.ListOptions{})
	say("with nonsense", nil, err)
}

func electionPart(ctx context.Context, w *world) {
	var mutex sync.Mutex
	var order []string
	note := func(line string) {
		mutex.Lock()
		defer mutex.Unlock()
		order = append(order, line)
	}
	seen := func(line string) func() bool {
		return func() bool {
			mutex.Lock()
			defer mutex.Unlock()
			for _, one := range order {
				if one == line {
					return true
				}
			}
			return false
		}
	}
	run := func(name string) context.CancelFunc {
		running, cancel := context.WithCancel(ctx)
		lock, err := resourcelock.New(resourcelock.LeasesResourceLock, w.namespace, "elected", w.client.CoreV1(), w.client.CoordinationV1(), resourcelock.ResourceLockConfig{Identity: name})
		must(err)
		go leaderelection.RunOrDie(running, leaderelection.LeaderElectionConfig{Lock: lock, ReleaseOnCancel: true, Name: name,
			LeaseDuration: 3 * time.Second, RenewDeadline: 2 * time.Second, RetryPeriod: 200 * time.Millisecond,
			Callbacks: leaderelection.LeaderCallbacks{
				OnStartedLeading: func(context.Context) { note(name + " leads") },
				OnStoppedLeading: func() { note(name + " stopped") }}})
		return cancel
	}
	stopFirst := run("first")
	eventually(ctx, "the first", seen("first leads"))
	stopSecond := run("second")
	stopFirst()
	eventually(ctx, "the second", seen("second leads"))
	lease, err := w.client.CoordinationV1().Leases(w.namespace).Get(ctx, "elected", metav1.GetOptions{})
	must(err)
	mutex.Lock()
	say("order", strings.Join(order, ", "), nil)
	mutex.Unlock()
	say("holder", fmt.Sprintf("%s after %d", *lease.Spec.HolderIdentity, *lease.Spec.LeaseTransitions), nil)
	stopSecond()
	eventually(ctx, "the end", seen("second stopped"))
}

func eventsPart(ctx context.Context, w *world) {
	broadcaster := record.NewBroadcaster()
	broadcaster.StartRecordingToSink(&typedcorev1.EventSinkImpl{Interface: w.client.CoreV1().Events(w.namespace)})
	recorder := broadcaster.NewRecorder(scheme.Scheme, corev1.EventSource{Component: "story"})
	about := &corev1.ObjectReference{Kind: "ConfigMap", Namespace: w.namespace, Name: "one", APIVersion: "v1"}
	for range 3 {
		recorder.Event(about, corev1.EventTypeWarning, "Told", "the same thing again")
	}
	var found *corev1.EventList
	eventually(ctx, "three of the same", func() bool {
		var err error
		found, err = w.client.CoreV1().Events(w.namespace).List(ctx, metav1.ListOptions{FieldSelector: "involvedObject.name=one,reason=Told"})
		must(err)
		return len(found.Items) == 1 && found.Items[0].Count == 3
	})
	say("events", fmt.Sprintf("%d", len(found.Items)), nil)
	for _, event := range found.Items {
		say("event", fmt.Sprintf("%s %s %q %d %s %v", event.Type, event.Reason, event.Message, event.Count, event.Source.Component, !event.LastTimestamp.Before(&event.FirstTimestamp)), nil)
	}
	broadcaster.Shutdown()
}
