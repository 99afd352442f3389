// Asks the calculator of the real HorizontalPodAutoscaler controller. A test and no program, because only tests may stop the clock.
package oracle

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"
	"unsafe"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	corelisters "k8s.io/client-go/listers/core/v1"
	"k8s.io/kubernetes/pkg/controller/podautoscaler"
	"k8s.io/kubernetes/pkg/controller/podautoscaler/metrics"
)

const (
	namespace               = "ns"
	cpuInitializationPeriod = 120 * time.Second
	initialReadinessDelay   = 10 * time.Second
)

type rules struct {
	Window   int32
	Select   string
	Policies [][3]any
}

type question struct {
	F               string
	Current         int32
	Target          string
	Tolerance       [2]float64
	Resource        string
	Container       string
	Pods            [][8]any
	Metrics         [][4]any
	Series          []string
	Desired         int32
	Min             int32
	Max             int32
	Window          int64
	Recommendations [][2]float64
	Ups             [][2]float64
	Downs           [][2]float64
	Up              rules
	Down            rules
}

// What the controller keeps to itself; field for field as in horizontal.go.
type recommendation struct {
	replicas int32
	at       time.Time
}

type scaleEvent struct {
	change   int32
	at       time.Time
	outdated bool
}

//go:linkname normalize k8s.io/kubernetes/pkg/controller/podautoscaler.(*HorizontalController).normalizeDesiredReplicas
func normalize(a *podautoscaler.HorizontalController, hpa *autoscalingv2.HorizontalPodAutoscaler, key string, current, desired, min int32) int32

//go:linkname normalizeWithBehaviors k8s.io/kubernetes/pkg/controller/podautoscaler.(*HorizontalController).normalizeDesiredReplicasWithBehaviors
func normalizeWithBehaviors(a *podautoscaler.HorizontalController, hpa *autoscalingv2.HorizontalPodAutoscaler, key string, current, desired, min int32) int32

//go:linkname storeScaleEvent k8s.io/kubernetes/pkg/controller/podautoscaler.(*HorizontalController).storeScaleEvent
func storeScaleEvent(a *podautoscaler.HorizontalController, behavior *autoscalingv2.HorizontalPodAutoscalerBehavior, key string, before, after int32)

// A field of the controller that only its package can name.
func field[T any](a *podautoscaler.HorizontalController, name string) *T {
	value := reflect.ValueOf(a).Elem().FieldByName(name)
	return (*T)(unsafe.Pointer(value.UnsafeAddr()))
}

// Answers what the question says is measured.
type fakeMetrics struct {
	pods   metrics.PodMetricsInfo
	series []int64
}

func (f fakeMetrics) GetResourceMetric(context.Context, v1.ResourceName, string, labels.Selector, string) (metrics.PodMetricsInfo, time.Time, error) {
	return f.pods, time.Time{}, nil
}
func (f fakeMetrics) GetRawMetric(string, string, labels.Selector, labels.Selector) (metrics.PodMetricsInfo, time.Time, error) {
	return f.pods, time.Time{}, nil
}
func (f fakeMetrics) GetObjectMetric(string, string, *autoscalingv2.CrossVersionObjectReference, labels.Selector) (int64, time.Time, error) {
	return f.series[0], time.Time{}, nil
}
func (f fakeMetrics) GetExternalMetric(string, string, labels.Selector) ([]int64, time.Time, error) {
	return f.series, time.Time{}, nil
}

// A lister that keeps the order: errors name the first pod that is wrong.
type inOrder []*v1.Pod

func (pods inOrder) List(labels.Selector) ([]*v1.Pod, error)    { return pods, nil }
func (pods inOrder) Pods(string) corelisters.PodNamespaceLister { return pods }
func (pods inOrder) Get(string) (*v1.Pod, error)                { panic("nobody asks for one") }

func ago(seconds any) time.Time {
	return time.Now().Add(-time.Duration(seconds.(float64) * float64(time.Second)))
}

func number(text string) int64 {
	value, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		panic(err)
	}
	return value
}

func requests(text any) v1.ResourceRequirements {
	list := v1.ResourceList{}
	if text != nil {
		quantity := resource.MustParse(text.(string))
		list[v1.ResourceCPU], list[v1.ResourceMemory] = quantity, quantity
	}
	return v1.ResourceRequirements{Requests: list}
}

func podOf(given [8]any) *v1.Pod {
	pod := &v1.Pod{ObjectMeta: metav1.ObjectMeta{Name: given[0].(string), Namespace: namespace}}
	pod.Status.Phase = v1.PodPhase(given[1].(string))
	if given[2].(bool) {
		now := metav1.Now()
		pod.DeletionTimestamp = &now
	}
	if ready := given[3].(string); ready != "" {
		pod.Status.Conditions = []v1.PodCondition{{
			Type: v1.PodReady, Status: v1.ConditionStatus(ready), LastTransitionTime: metav1.NewTime(ago(given[4])),
		}}
	}
	if given[5] != nil {
		start := metav1.NewTime(ago(given[5]))
		pod.Status.StartTime = &start
	}
	for index, request := range given[6].([]any) {
		pod.Spec.Containers = append(pod.Spec.Containers, v1.Container{Name: fmt.Sprintf("c%d", index), Resources: requests(request)})
	}
	if given[7] != nil {
		whole := requests(given[7])
		pod.Spec.Resources = &whole
	}
	return pod
}

func answer(q *question) string {
	switch q.F {
	case "normalize", "behavior", "record":
		return answerNormalize(q)
	}
	var pods inOrder
	for _, pod := range q.Pods {
		pods = append(pods, podOf(pod))
	}
	fake := fakeMetrics{pods: metrics.PodMetricsInfo{}}
	for _, metric := range q.Metrics {
		fake.pods[metric[0].(string)] = metrics.PodMetric{
			Value: number(metric[1].(string)), Timestamp: ago(metric[2]), Window: time.Duration(metric[3].(float64)) * time.Millisecond,
		}
	}
	for _, value := range q.Series {
		fake.series = append(fake.series, number(value))
	}
	calculator := podautoscaler.NewReplicaCalculator(fake, pods, cpuInitializationPeriod, initialReadinessDelay)
	tolerances := *(*podautoscaler.Tolerances)(unsafe.Pointer(&q.Tolerance))
	ctx, all, target := context.Background(), labels.Everything(), number(q.Target)
	object := &autoscalingv2.CrossVersionObjectReference{Kind: "K", Name: "n"}
	var replicas, utilization int32
	var usage int64
	var err error
	switch q.F {
	case "utilization":
		replicas, utilization, usage, _, err = calculator.GetResourceReplicas(ctx, q.Current, int32(target), v1.ResourceName(q.Resource), tolerances, namespace, all, q.Container)
		if err == nil {
			return fmt.Sprint(replicas, utilization, usage)
		}
	case "raw":
		replicas, usage, _, err = calculator.GetRawResourceReplicas(ctx, q.Current, target, v1.ResourceName(q.Resource), tolerances, namespace, all, q.Container)
	case "pods":
		replicas, usage, _, err = calculator.GetMetricReplicas(q.Current, target, "m", tolerances, namespace, all, all)
	case "object":
		replicas, usage, _, err = calculator.GetObjectMetricReplicas(q.Current, target, "m", tolerances, namespace, object, all, all)
	case "objectPerPod":
		replicas, usage, _, err = calculator.GetObjectPerPodMetricReplicas(q.Current, target, "m", tolerances, namespace, object, all)
	case "external":
		replicas, usage, _, err = calculator.GetExternalMetricReplicas(q.Current, target, "m", tolerances, namespace, nil, all)
	case "externalPerPod":
		replicas, usage, _, err = calculator.GetExternalPerPodMetricReplicas(q.Current, target, "m", tolerances, namespace, nil)
	default:
		panic(q.F)
	}
	if err != nil {
		return "! " + err.Error()
	}
	return fmt.Sprint(replicas, usage)
}

func scalingRules(given rules) *autoscalingv2.HPAScalingRules {
	selected := autoscalingv2.ScalingPolicySelect(given.Select)
	result := &autoscalingv2.HPAScalingRules{StabilizationWindowSeconds: &given.Window, SelectPolicy: &selected}
	for _, policy := range given.Policies {
		result.Policies = append(result.Policies, autoscalingv2.HPAScalingPolicy{
			Type: autoscalingv2.HPAScalingPolicyType(policy[0].(string)), Value: int32(policy[1].(float64)), PeriodSeconds: int32(policy[2].(float64)),
		})
	}
	return result
}

func milliseconds(at time.Time) int64 { return time.Since(at).Milliseconds() }

func answerNormalize(q *question) string {
	const key = "ns/x"
	a := &podautoscaler.HorizontalController{}
	remembered := map[string][]recommendation{key: nil}
	for _, one := range q.Recommendations {
		remembered[key] = append(remembered[key], recommendation{int32(one[0]), time.Now().Add(-time.Duration(one[1]) * time.Millisecond)})
	}
	ups, downs := map[string][]scaleEvent{key: nil}, map[string][]scaleEvent{key: nil}
	for _, pair := range []struct {
		given [][2]float64
		into  map[string][]scaleEvent
	}{{q.Ups, ups}, {q.Downs, downs}} {
		for _, one := range pair.given {
			pair.into[key] = append(pair.into[key], scaleEvent{change: int32(one[0]), at: time.Now().Add(-time.Duration(one[1]) * time.Millisecond)})
		}
	}
	*field[map[string][]recommendation](a, "recommendations") = remembered
	*field[map[string][]scaleEvent](a, "scaleUpEvents") = ups
	*field[map[string][]scaleEvent](a, "scaleDownEvents") = downs
	*field[time.Duration](a, "downscaleStabilisationWindow") = time.Duration(q.Window) * time.Second
	hpa := &autoscalingv2.HorizontalPodAutoscaler{ObjectMeta: metav1.ObjectMeta{Name: "x", Namespace: namespace}}
	hpa.Spec.MaxReplicas = q.Max
	behavior := &autoscalingv2.HorizontalPodAutoscalerBehavior{ScaleUp: scalingRules(q.Up), ScaleDown: scalingRules(q.Down)}
	var parts []string
	switch q.F {
	case "record":
		storeScaleEvent(a, behavior, key, q.Current, q.Desired)
		for _, list := range [][]scaleEvent{ups[key], downs[key]} {
			for _, event := range list {
				parts = append(parts, fmt.Sprintf("%d@%d%s", event.change, milliseconds(event.at), map[bool]string{true: "!", false: ""}[event.outdated]))
			}
			parts = append(parts, "|")
		}
		return strings.Join(parts, " ")
	case "normalize":
		parts = append(parts, fmt.Sprint(normalize(a, hpa, key, q.Current, q.Desired, q.Min)))
	default:
		hpa.Spec.Behavior = behavior
		parts = append(parts, fmt.Sprint(normalizeWithBehaviors(a, hpa, key, q.Current, q.Desired, q.Min)))
	}
	for _, condition := range hpa.Status.Conditions {
		parts = append(parts, fmt.Sprintf("%s:%s", condition.Reason, condition.Status))
	}
	for _, one := range remembered[key] {
		parts = append(parts, fmt.Sprintf("%d@%d", one.replicas, milliseconds(one.at)))
	}
	return strings.Join(parts, " ")
}

func TestOracle(t *testing.T) {
	input, err := os.Open(os.Getenv("QUESTIONS"))
	if err != nil {
		t.Skip("QUESTIONS names no file: ", err)
	}
	output, err := os.Create(os.Getenv("ANSWERS"))
	if err != nil {
		t.Fatal(err)
	}
	out := bufio.NewWriter(output)
	lines := bufio.NewScanner(input)
	lines.Buffer(nil, 1<<20)
	lines.Scan()
	fmt.Fprintln(out, lines.Text())
	synctest.Test(t, func(t *testing.T) {
		for lines.Scan() {
			q := &question{}
			if err := json.Unmarshal(lines.Bytes(), q); err != nil {
				t.Fatal(err)
			}
			fmt.Fprintln(out, answer(q))
		}
	})
	if err := out.Flush(); err != nil {
		t.Fatal(err)
	}
	if err := output.Close(); err != nil {
		t.Fatal(err)
	}
}
