// Command oracle prints what Go makes of the same inputs as Tenon's codecs, one JSON document a line.
//
//	go run ./oracle objects -n 1000 -seed 1   random objects: their JSON and their protobuf (base64)
//	go run ./oracle patches < cases.json      strategic merge patches applied by apimachinery
//	go run ./oracle errors < cases.json       what strict decoding says of a body
package main

import (
	"bufio"
	"encoding/base64"
	"encoding/json"
	"flag"
	"fmt"
	"log"
	"math/rand"
	"os"
	"reflect"
	"strings"

	admission "k8s.io/api/admission/v1"
	admissionregistration "k8s.io/api/admissionregistration/v1"
	apiextensions "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/api/apitesting/fuzzer"
	"k8s.io/apimachinery/pkg/api/resource"
	metafuzzer "k8s.io/apimachinery/pkg/apis/meta/fuzzer"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/apimachinery/pkg/util/strategicpatch"
	"k8s.io/client-go/kubernetes/scheme"
	apiregistration "k8s.io/kube-aggregator/pkg/apis/apiregistration/v1"
	metrics "k8s.io/metrics/pkg/apis/metrics/v1beta1"
	"sigs.k8s.io/randfill"

	jsonserializer "k8s.io/apimachinery/pkg/runtime/serializer/json"
	protoserializer "k8s.io/apimachinery/pkg/runtime/serializer/protobuf"
)

var kinds = []string{
	"v1/Namespace", "v1/Pod", "apps/v1/Deployment", "coordination.k8s.io/v1/Lease", "apiregistration.k8s.io/v1/APIService",
	"authorization.k8s.io/v1/SubjectAccessReview", "v1/Service", "v1/Event", "v1/Node",
	"v1/Secret", "v1/ConfigMap", "v1/PersistentVolume", "batch/v1/CronJob", "networking.k8s.io/v1/NetworkPolicy", "autoscaling/v2/HorizontalPodAutoscaler",
	"rbac.authorization.k8s.io/v1/ClusterRole", "authentication.k8s.io/v1/TokenReview", "metrics.k8s.io/v1beta1/PodMetrics", "v1/PodList",
	"apps/v1/ControllerRevision", "discovery.k8s.io/v1/EndpointSlice", "admissionregistration.k8s.io/v1/ValidatingWebhookConfiguration",
	"resource.k8s.io/v1/ResourceClaim", "policy/v1/PodDisruptionBudget", "apiextensions.k8s.io/v1/CustomResourceDefinition",
	"flowcontrol.apiserver.k8s.io/v1/FlowSchema", "storage.k8s.io/v1/CSINode", "certificates.k8s.io/v1/CertificateSigningRequest",
	"events.k8s.io/v1/Event", "autoscaling/v1/Scale", "policy/v1/Eviction", "admission.k8s.io/v1/AdmissionReview",
}

func must(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

func parse(name string) schema.GroupVersionKind {
	cut := strings.LastIndex(name, "/")
	return schema.FromAPIVersionAndKind(name[:cut], name[cut+1:])
}

type object struct {
	APIVersion string `json:"apiVersion"`
	Kind       string `json:"kind"`
	JSON       string `json:"json"`
	Protobuf   string `json:"protobuf"`
	// Back is the JSON of the decoded protobuf where it differs: protobuf has no empty lists.
	Back string `json:"back,omitempty"`
}

// tame replaces what has no faithful JSON form, so that both encodings hold the same object.
func tame(codecs serializer.CodecFactory) []interface{} {
	return []interface{}{
		func(q *resource.Quantity, c randfill.Continue) {
			formats := []string{"%dm", "%d", "%dMi", "%dGi", "%dKi", "%dk", "%de3", "%d.5", "%dn", "-%d"}
			*q = resource.MustParse(fmt.Sprintf(formats[c.Intn(len(formats))], c.Intn(100000)))
		},
		func(r *runtime.RawExtension, c randfill.Continue) {
			*r = runtime.RawExtension{Raw: []byte(`{"apiVersion":"v1","kind":"X","n":[1,true,null,"a\u003cb"]}`)}
		},
		func(j *apiextensions.JSON, c randfill.Continue) {
			*j = apiextensions.JSON{Raw: []byte(`{"a":[1,2,"x"]}`)}
		},
		func(f *metav1.FieldsV1, c randfill.Continue) { f.SetRawString(`{"f:metadata":{"f:labels":{".":{}}}}`) },
		func(s *string, c randfill.Continue) {
			words := []string{"", "a", "web", "é<>&", "line\nbreak", "\u2028 quote\"", "日本語", strings.Repeat("long ", c.Intn(60)), c.String(0)}
			*s = strings.ToValidUTF8(words[c.Intn(len(words))], "?")
		},
		func(d *metav1.Duration, c randfill.Continue) { d.Duration = 15000000000 },
		func(s *apiextensions.JSONSchemaProps, c randfill.Continue) {
			// A full fill would recurse without end.
			c.Fill(&s.Type)
			c.Fill(&s.Maximum)
			c.Fill(&s.MinLength)
			c.Fill(&s.Required)
			c.Fill(&s.Enum)
			c.Fill(&s.XIntOrString)
			c.Fill(&s.XListMapKeys)
			c.Fill(&s.XValidations)
			if c.Intn(3) == 0 {
				s.Properties = map[string]apiextensions.JSONSchemaProps{"a": {Type: "string"}, "b": {Default: &apiextensions.JSON{Raw: []byte("1")}}}
				c.Fill(&s.Items)
				c.Fill(&s.AdditionalProperties)
				s.Dependencies = apiextensions.JSONSchemaDependencies{"x": {Property: []string{"y"}}}
			}
		},
		func(s *apiextensions.JSONSchemaPropsOrBool, c randfill.Continue) {
			s.Allows = c.Bool()
			if s.Allows && c.Intn(4) == 0 {
				s.Schema = &apiextensions.JSONSchemaProps{Type: "string"}
			}
		},
		func(s *apiextensions.JSONSchemaPropsOrArray, c randfill.Continue) {
			s.Schema = &apiextensions.JSONSchemaProps{Type: "object"}
		},
		func(s *apiextensions.JSONSchemaPropsOrStringArray, c randfill.Continue) {
			if c.Bool() {
				s.Property = []string{"x"}
			} else {
				s.Schema = &apiextensions.JSONSchemaProps{Type: "object"}
			}
		},
	}
}

func newScheme() *runtime.Scheme {
	s := runtime.NewScheme()
	must(scheme.AddToScheme(s))
	must(apiregistration.AddToScheme(s))
	must(apiextensions.AddToScheme(s))
	must(metrics.AddToScheme(s))
	must(admission.AddToScheme(s))
	must(admissionregistration.AddToScheme(s))
	return s
}

func objects(count int, seed int64, only string) {
	s := newScheme()
	codecs := serializer.NewCodecFactory(s)
	out := bufio.NewWriter(os.Stdout)
	defer out.Flush()
	proto := protoserializer.NewSerializer(s, s)
	fill := fuzzer.FuzzerFor(fuzzer.MergeFuzzerFuncs(metafuzzer.Funcs, func(codecs serializer.CodecFactory) []interface{} { return tame(codecs) }), rand.NewSource(seed), codecs).NumElements(0, 3).NilChance(0.4)
	names := kinds
	if only != "" {
		names = strings.Split(only, ",")
	}
	for i := 0; i < count; i++ {
		gvk := parse(names[i%len(names)])
		obj, err := s.New(gvk)
		must(err)
		fill.Fill(obj)
		obj.GetObjectKind().SetGroupVersionKind(gvk)
		// Once through JSON: what Go itself keeps, with nil and empty as the decoder leaves them.
		first, err := json.Marshal(obj)
		must(err)
		again := reflect.New(reflect.TypeOf(obj).Elem()).Interface().(runtime.Object)
		must(json.Unmarshal(first, again))
		text, err := json.Marshal(again)
		must(err)
		var bytes strings.Builder
		must(proto.Encode(again, &bytes))
		decoded, _, err := proto.Decode([]byte(bytes.String()), nil, nil)
		must(err)
		back, err := json.Marshal(decoded)
		must(err)
		if string(back) == string(text) {
			back = nil
		}
		line, err := json.Marshal(object{gvk.GroupVersion().String(), gvk.Kind, string(text), base64.StdEncoding.EncodeToString([]byte(bytes.String())), string(back)})
		must(err)
		out.Write(line)
		out.WriteString("\n")
	}
}

type patchCase struct {
	Name     string          `json:"name"`
	Kind     string          `json:"kind"`
	Original json.RawMessage `json:"original"`
	Patch    json.RawMessage `json:"patch"`
	Result   json.RawMessage `json:"result,omitempty"`
	Error    string          `json:"error,omitempty"`
}

func patches() {
	s := newScheme()
	var cases []patchCase
	must(json.NewDecoder(os.Stdin).Decode(&cases))
	for i := range cases {
		c := &cases[i]
		obj, err := s.New(parse(c.Kind))
		must(err)
		c.Result, c.Error = nil, ""
		result, err := strategicpatch.StrategicMergePatch(c.Original, c.Patch, obj)
		if err != nil {
			c.Error = err.Error()
		} else {
			c.Result = result
		}
	}
	encoder := json.NewEncoder(os.Stdout)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", " ")
	must(encoder.Encode(cases))
}

type errorCase struct {
	Kind  string `json:"kind"`
	Body  string `json:"body"`
	Error string `json:"error"`
	JSON  string `json:"json,omitempty"`
}

func bodies() {
	s := newScheme()
	var cases []errorCase
	must(json.NewDecoder(os.Stdin).Decode(&cases))
	for i := range cases {
		c := &cases[i]
		gvk := parse(c.Kind)
		serializer := jsonserializer.NewSerializerWithOptions(jsonserializer.DefaultMetaFactory, s, s, jsonserializer.SerializerOptions{Strict: true})
		obj, _, err := serializer.Decode([]byte(c.Body), &gvk, nil)
		c.Error, c.JSON = "", ""
		if err != nil {
			c.Error = err.Error()
		}
		if obj != nil {
			text, err := json.Marshal(obj)
			must(err)
			c.JSON = string(text)
		}
	}
	encoder := json.NewEncoder(os.Stdout)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", " ")
	must(encoder.Encode(cases))
}

func main() {
	log.SetFlags(0)
	if len(os.Args) < 2 {
		log.Fatal("objects, patches or errors")
	}
	flags := flag.NewFlagSet(os.Args[1], flag.ExitOnError)
	count := flags.Int("n", 1000, "how many objects")
	seed := flags.Int64("seed", 1, "seed")
	only := flags.String("kinds", "", "kinds, comma separated; default: a list of thirty")
	must(flags.Parse(os.Args[2:]))
	switch os.Args[1] {
	case "objects":
		objects(*count, *seed, *only)
	case "patches":
		patches()
	case "errors":
		bodies()
	}
}
