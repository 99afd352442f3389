// Command api-table reads the Go types of the Kubernetes API by reflection, joins them with the generated OpenAPI
// definitions, and prints the tables of facts (names, numbers, types, list semantics) that Tenon's codecs interpret.
//
// Run by hand from this folder: go run . -root ../..
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"reflect"
	"sort"
	"strconv"
	"strings"

	admission "k8s.io/api/admission/v1"
	admissionregistration "k8s.io/api/admissionregistration/v1"
	apidiscovery "k8s.io/api/apidiscovery/v2"
	apps "k8s.io/api/apps/v1"
	authentication "k8s.io/api/authentication/v1"
	authorization "k8s.io/api/authorization/v1"
	autoscaling1 "k8s.io/api/autoscaling/v1"
	autoscaling2 "k8s.io/api/autoscaling/v2"
	batch "k8s.io/api/batch/v1"
	certificates "k8s.io/api/certificates/v1"
	coordination "k8s.io/api/coordination/v1"
	core "k8s.io/api/core/v1"
	discovery "k8s.io/api/discovery/v1"
	events "k8s.io/api/events/v1"
	flowcontrol "k8s.io/api/flowcontrol/v1"
	networking "k8s.io/api/networking/v1"
	node "k8s.io/api/node/v1"
	policy "k8s.io/api/policy/v1"
	rbac "k8s.io/api/rbac/v1"
	resourceapi "k8s.io/api/resource/v1"
	scheduling "k8s.io/api/scheduling/v1"
	storage "k8s.io/api/storage/v1"
	apiextensions "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	apiregistration "k8s.io/kube-aggregator/pkg/apis/apiregistration/v1"
	"k8s.io/kube-openapi/pkg/common"
	"k8s.io/kube-openapi/pkg/validation/spec"
	"k8s.io/kubernetes/pkg/generated/openapi"
	metrics "k8s.io/metrics/pkg/apis/metrics/v1beta1"
)

// source is one Go package with API types; order decides who keeps a plain name when two packages share one.
type source struct {
	id   string
	pkg  string
	gv   schema.GroupVersion
	add  func(*runtime.Scheme) error
	meta bool
}

var sources = []source{
	{id: "meta/v1", pkg: "k8s.io/apimachinery/pkg/apis/meta/v1", gv: schema.GroupVersion{Group: "meta.k8s.io", Version: "v1"}, meta: true},
	{id: "apidiscovery/v2", gv: apidiscovery.SchemeGroupVersion, add: apidiscovery.AddToScheme, meta: true},
	{id: "core/v1", gv: core.SchemeGroupVersion, add: core.AddToScheme},
	{id: "apps/v1", gv: apps.SchemeGroupVersion, add: apps.AddToScheme},
	{id: "batch/v1", gv: batch.SchemeGroupVersion, add: batch.AddToScheme},
	{id: "rbac/v1", gv: rbac.SchemeGroupVersion, add: rbac.AddToScheme},
	{id: "authentication/v1", gv: authentication.SchemeGroupVersion, add: authentication.AddToScheme},
	{id: "authorization/v1", gv: authorization.SchemeGroupVersion, add: authorization.AddToScheme},
	{id: "coordination/v1", gv: coordination.SchemeGroupVersion, add: coordination.AddToScheme},
	{id: "discovery/v1", gv: discovery.SchemeGroupVersion, add: discovery.AddToScheme},
	{id: "events/v1", gv: events.SchemeGroupVersion, add: events.AddToScheme},
	{id: "autoscaling/v2", gv: autoscaling2.SchemeGroupVersion, add: autoscaling2.AddToScheme},
	{id: "autoscaling/v1", gv: autoscaling1.SchemeGroupVersion, add: autoscaling1.AddToScheme},
	{id: "policy/v1", gv: policy.SchemeGroupVersion, add: policy.AddToScheme},
	{id: "networking/v1", gv: networking.SchemeGroupVersion, add: networking.AddToScheme},
	{id: "storage/v1", gv: storage.SchemeGroupVersion, add: storage.AddToScheme},
	{id: "scheduling/v1", gv: scheduling.SchemeGroupVersion, add: scheduling.AddToScheme},
	{id: "node/v1", gv: node.SchemeGroupVersion, add: node.AddToScheme},
	{id: "certificates/v1", gv: certificates.SchemeGroupVersion, add: certificates.AddToScheme},
	{id: "admissionregistration/v1", gv: admissionregistration.SchemeGroupVersion, add: admissionregistration.AddToScheme},
	{id: "admission/v1", gv: admission.SchemeGroupVersion, add: admission.AddToScheme},
	{id: "flowcontrol/v1", gv: flowcontrol.SchemeGroupVersion, add: flowcontrol.AddToScheme},
	{id: "resource/v1", gv: resourceapi.SchemeGroupVersion, add: resourceapi.AddToScheme},
	{id: "apiregistration/v1", gv: apiregistration.SchemeGroupVersion, add: apiregistration.AddToScheme},
	{id: "apiextensions/v1", gv: apiextensions.SchemeGroupVersion, add: apiextensions.AddToScheme},
	{id: "metrics/v1beta1", gv: metrics.SchemeGroupVersion, add: metrics.AddToScheme},
}

// metaRoots are the types of meta/v1 that a server reads or writes.
var metaRoots = []any{
	metav1.Status{}, metav1.ListMeta{}, metav1.DeleteOptions{}, metav1.CreateOptions{}, metav1.UpdateOptions{},
	metav1.PatchOptions{}, metav1.ListOptions{}, metav1.GetOptions{}, metav1.WatchEvent{},
	metav1.PartialObjectMetadata{}, metav1.PartialObjectMetadataList{}, metav1.Table{}, metav1.TableOptions{},
	metav1.APIGroup{}, metav1.APIGroupList{}, metav1.APIResourceList{}, metav1.APIVersions{}, metav1.List{},
}

// special maps types with their own JSON form to the codes of src/api/types/table.ts.
var special = map[string]string{
	"k8s.io/apimachinery/pkg/apis/meta/v1.Time":                                             "t",
	"k8s.io/apimachinery/pkg/apis/meta/v1.MicroTime":                                        "u",
	"k8s.io/apimachinery/pkg/apis/meta/v1.Duration":                                         "D",
	"k8s.io/apimachinery/pkg/apis/meta/v1.FieldsV1":                                         "F",
	"k8s.io/apimachinery/pkg/api/resource.Quantity":                                         "q",
	"k8s.io/apimachinery/pkg/util/intstr.IntOrString":                                       "o",
	"k8s.io/apimachinery/pkg/runtime.RawExtension":                                          "R",
	"k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1.JSON":                         "J",
	"k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1.JSONSchemaPropsOrArray":       "A",
	"k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1.JSONSchemaPropsOrBool":        "B",
	"k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1.JSONSchemaPropsOrStringArray": "C",
}

type message interface{ Marshal() ([]byte, error) }

var (
	messageType   = reflect.TypeFor[message]()
	marshalerType = reflect.TypeFor[json.Marshaler]()
	decoderType   = reflect.TypeFor[json.Unmarshaler]()
)

type field struct {
	name     string // JSON name, "" when inlined
	goName   string
	number   int
	t        reflect.Type
	code     string
	omit     bool
	zero     bool
	required bool
	strategy string
	mergeKey string
	list     string
	keys     []string
	mapType  string
	enum     []any
	def      any
	hasDef   bool
	format   string
	unions   bool
}

type structure struct {
	t      reflect.Type
	model  string
	atomic string
	fields []field
}

type kind struct{ group, version, kind, name string }

type pack struct {
	source  source
	structs []*structure
	kinds   []kind
}

var (
	byPkg = map[string]*pack{}
	packs []*pack
	seen  = map[reflect.Type]bool{}
	defs  map[string]common.OpenAPIDefinition
)

func must(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

func typeKey(t reflect.Type) string { return t.PkgPath() + "." + t.Name() }

// visit queues t's own structure and everything it refers to.
func visit(t reflect.Type) {
	for t.Kind() == reflect.Pointer || t.Kind() == reflect.Slice || t.Kind() == reflect.Map {
		t = t.Elem()
	}
	if t.Kind() != reflect.Struct || seen[t] {
		return
	}
	seen[t] = true
	if code, ok := special[typeKey(t)]; ok && !strings.Contains("ABC", code) {
		return
	}
	p := byPkg[t.PkgPath()]
	if p == nil {
		log.Fatalf("type %v of a package that is not listed", t)
	}
	if _, ok := special[typeKey(t)]; !ok && (reflect.PointerTo(t).Implements(marshalerType) || reflect.PointerTo(t).Implements(decoderType)) {
		log.Fatalf("%v has a JSON form of its own", t)
	}
	if _, ok := special[typeKey(t)]; ok {
		for i := 0; i < t.NumField(); i++ {
			visit(t.Field(i).Type)
		}
		return
	}
	s := &structure{t: t}
	if named, ok := reflect.New(t).Elem().Interface().(interface{ OpenAPIModelName() string }); ok {
		s.model = named.OpenAPIModelName()
	}
	def, known := defs[s.model]
	if !known && !strings.Contains(t.PkgPath(), "metrics") {
		log.Printf("no OpenAPI definition for %v (%s)", t, s.model)
	}
	if v, ok := def.Schema.Extensions.GetString("x-kubernetes-map-type"); ok {
		s.atomic = v
	}
	required := map[string]bool{}
	for _, name := range def.Schema.Required {
		required[name] = true
	}
	for i := 0; i < t.NumField(); i++ {
		f := t.Field(i)
		tag := strings.Split(f.Tag.Get("json"), ",")
		if tag[0] == "-" {
			continue
		}
		if f.Tag.Get("json") == "" && f.Tag.Get("protobuf") == "" && !f.Anonymous {
			log.Fatalf("%v.%s has no tags", t, f.Name)
		}
		out := field{name: tag[0], goName: f.Name, t: f.Type, strategy: f.Tag.Get("patchStrategy"), mergeKey: f.Tag.Get("patchMergeKey")}
		for _, option := range tag[1:] {
			switch option {
			case "omitempty":
				out.omit = true
			case "omitzero":
				out.zero = true
			case "inline", "":
			case "string":
				log.Fatalf("%v.%s is a quoted number", t, f.Name)
			default:
				log.Printf("%v.%s: option %q", t, f.Name, option)
			}
		}
		if out.name == "" && !f.Anonymous {
			log.Fatalf("%v.%s has no JSON name", t, f.Name)
		}
		if pb := f.Tag.Get("protobuf"); pb != "" && pb != "-" {
			parts := strings.Split(pb, ",")
			n, err := strconv.Atoi(parts[1])
			must(err)
			out.number = n
		}
		if out.name != "" {
			out.required = required[out.name]
			prop, ok := def.Schema.Properties[out.name]
			if known && !ok {
				log.Printf("%v.%s is not in the OpenAPI definition", t, out.name)
			}
			facts(&out, prop)
		}
		visit(f.Type)
		out.code = code(t, f.Type)
		s.fields = append(s.fields, out)
	}
	p.structs = append(p.structs, s)
}

func facts(out *field, prop spec.Schema) {
	if v, ok := prop.Extensions.GetString("x-kubernetes-list-type"); ok {
		out.list = v
	}
	if v, ok := prop.Extensions["x-kubernetes-list-map-keys"]; ok {
		for _, key := range v.([]interface{}) {
			out.keys = append(out.keys, key.(string))
		}
	}
	if v, ok := prop.Extensions.GetString("x-kubernetes-map-type"); ok {
		out.mapType = v
	}
	if v, ok := prop.Extensions.GetString("x-kubernetes-patch-strategy"); ok && v != out.strategy {
		log.Fatalf("%s: strategy %q in OpenAPI, %q in the tag", out.name, v, out.strategy)
	}
	out.enum = prop.Enum
	if prop.Items != nil && prop.Items.Schema != nil && len(prop.Items.Schema.Enum) > 0 {
		out.enum = prop.Items.Schema.Enum
	}
	switch prop.Format {
	case "", "int32", "int64", "double", "byte", "date-time":
	default:
		out.format = prop.Format
	}
	if prop.Default != nil {
		out.def, out.hasDef = prop.Default, true
		// Go generators give every non-pointer field its zero value as a default: that says nothing.
		if b, _ := json.Marshal(prop.Default); string(b) == "{}" || string(b) == `""` || string(b) == "0" || string(b) == "false" {
			if out.t.Kind() != reflect.Pointer {
				out.hasDef = false
			}
		}
	}
}

func goName(t reflect.Type) string { return t.String() }

// code writes a type: prefixes * [ { w, then a base.
func code(in reflect.Type, t reflect.Type) string {
	if t.Kind() == reflect.Pointer {
		return "*" + code(in, t.Elem())
	}
	if s, ok := special[typeKey(t)]; ok && t.Name() != "" {
		return s
	}
	suffix := ""
	if t.Name() != "" && t.PkgPath() != "" && t.Kind() != reflect.Struct {
		suffix = ":" + goName(t)
	}
	switch t.Kind() {
	case reflect.String:
		return "s" + suffix
	case reflect.Bool:
		return "b" + suffix
	case reflect.Int32:
		return "i" + suffix
	case reflect.Int64, reflect.Int:
		return "l" + suffix
	case reflect.Float64:
		return "d" + suffix
	case reflect.Interface:
		if t.NumMethod() == 0 {
			return "?"
		}
	case reflect.Slice:
		if t.Elem().Kind() == reflect.Uint8 {
			return "y" + suffix
		}
		wrap := ""
		if t.Name() != "" && reflect.PointerTo(t).Implements(messageType) {
			wrap = "w"
		}
		if suffix != "" {
			suffix = "=" + suffix[1:]
		}
		return wrap + "[" + code(in, t.Elem()) + suffix
	case reflect.Map:
		if t.Key().Kind() != reflect.String {
			log.Fatalf("map key %v", t.Key())
		}
		if suffix != "" {
			suffix = "=" + suffix[1:]
		} else if t.Key().Name() != "string" {
			suffix = "=" + goName(t)
		}
		return "{" + code(in, t.Elem()) + suffix
	case reflect.Struct:
		if t.PkgPath() == in.PkgPath() {
			return "." + t.Name()
		}
		return "." + byPkg[t.PkgPath()].source.id + "." + t.Name()
	}
	log.Fatalf("no code for %v in %v", t, in)
	return ""
}

func compact(v any) string {
	b, err := json.Marshal(v)
	must(err)
	return strings.ReplaceAll(string(b), " ", "\\u0020")
}

func (f field) line() string {
	name := f.name
	if name == "" {
		name = "^" + f.goName
	}
	flags := ""
	if f.omit {
		flags += "o"
	}
	if f.zero {
		flags += "z"
	}
	if f.required {
		flags += "r"
	}
	if flags == "" {
		flags = "-"
	}
	parts := []string{name, strconv.Itoa(f.number), f.code, flags}
	add := func(prefix, value string) {
		if value != "" {
			parts = append(parts, prefix+value)
		}
	}
	add("S", f.strategy)
	add("K", f.mergeKey)
	add("l", f.list)
	add("k", strings.Join(f.keys, ","))
	add("m", f.mapType)
	add("f", f.format)
	if len(f.enum) > 0 {
		add("e", compact(f.enum))
	}
	if f.hasDef {
		add("d", compact(f.def))
	}
	if len(parts) == 4 && flags == "-" {
		parts = parts[:3]
	}
	return strings.Join(parts, " ")
}

func main() {
	root := flag.String("root", "../..", "folder of the repository")
	flag.Parse()
	log.SetFlags(0)
	defs = openapi.GetOpenAPIDefinitions(func(path string) spec.Ref { return spec.MustCreateRef("#/" + path) })

	schemes := map[string]*runtime.Scheme{}
	for i := range sources {
		s := &sources[i]
		if s.add != nil {
			scheme := runtime.NewScheme()
			must(s.add(scheme))
			schemes[s.id] = scheme
			if s.pkg == "" {
				counts := map[string]int{}
				for name, t := range scheme.KnownTypes(s.gv) {
					counts[t.PkgPath()]++
					if strings.HasSuffix(name, "List") {
						counts[t.PkgPath()]++
					}
				}
				best := ""
				for pkg, n := range counts {
					if !strings.HasSuffix(pkg, "meta/v1") && (best == "" || n > counts[best]) {
						best = pkg
					}
				}
				s.pkg = best
			}
		}
		p := &pack{source: *s}
		byPkg[s.pkg] = p
		packs = append(packs, p)
	}
	for _, value := range metaRoots {
		t := reflect.TypeOf(value)
		visit(t)
		if t.Name() == "ListMeta" {
			continue
		}
		byPkg[t.PkgPath()].kinds = append(byPkg[t.PkgPath()].kinds, kind{"meta.k8s.io", "v1", t.Name(), t.Name()})
	}
	for _, p := range packs {
		scheme := schemes[p.source.id]
		if scheme == nil {
			continue
		}
		known := scheme.KnownTypes(p.source.gv)
		names := make([]string, 0, len(known))
		for name := range known {
			names = append(names, name)
		}
		sort.Strings(names)
		for _, name := range names {
			t := known[name]
			if t.PkgPath() != p.source.pkg {
				continue
			}
			visit(t)
			p.kinds = append(p.kinds, kind{p.source.gv.Group, p.source.gv.Version, name, t.Name()})
		}
	}
	for _, p := range packs {
		sort.Slice(p.structs, func(i, j int) bool { return p.structs[i].t.Name() < p.structs[j].t.Name() })
	}
	// Extension servers of this project may import neither the built-in kinds nor each other: their tables lie apart.
	const extension = "metrics/v1beta1"
	writeTables(filepath.Join(*root, "src/api/generated/tables.ts"), func(s source) bool { return s.meta })
	writeTables(filepath.Join(*root, "src/api/generated/metrics.ts"), func(s source) bool { return s.id == extension })
	writeTables(filepath.Join(*root, "src/kinds/generated/tables.ts"), func(s source) bool { return !s.meta && s.id != extension })
	writeTypes(filepath.Join(*root, "src/api/generated/types.ts"), true)
	writeTypes(filepath.Join(*root, "src/kinds/generated/types.ts"), false)
}

func write(path, text string) {
	must(os.MkdirAll(filepath.Dir(path), 0o755))
	must(os.WriteFile(path, []byte(text), 0o644))
	fmt.Printf("%s: %d bytes\n", path, len(text))
}

const banner = "// Generated by tools/api-table from the Kubernetes API types v0.36.3. Do not edit.\n"

// writeTables prints one string for each group-version; the format is described in src/api/types/table.ts.
func writeTables(path string, belongs func(source) bool) {
	var out strings.Builder
	out.WriteString("/** Facts about the built-in types, one table of text for each group-version (format: src/api/types/table.ts). */\n" + banner)
	out.WriteString("\nexport const tables: Readonly<Record<string, string>> = {\n")
	for _, p := range packs {
		if !belongs(p.source) {
			continue
		}
		var text strings.Builder
		prefix := ""
		for _, s := range p.structs {
			if s.model != "" {
				prefix = strings.TrimSuffix(s.model, s.t.Name())
				break
			}
		}
		fmt.Fprintf(&text, "@%s %s\n", p.source.pkg[strings.LastIndex(p.source.pkg, "/")+1:], prefix)
		for _, k := range p.kinds {
			fmt.Fprintf(&text, "#%s %s %s\n", k.group, k.version, k.kind)
		}
		for _, s := range p.structs {
			fmt.Fprintf(&text, ":%s", s.t.Name())
			if s.atomic != "" {
				fmt.Fprintf(&text, " m%s", s.atomic)
			}
			text.WriteString("\n")
			for _, f := range s.fields {
				text.WriteString(f.line() + "\n")
			}
		}
		if strings.ContainsAny(text.String(), "`$") && strings.Contains(text.String(), "${") {
			log.Fatal("text needs escaping")
		}
		fmt.Fprintf(&out, "  %q: `%s`,\n", p.source.id, strings.ReplaceAll(strings.TrimSuffix(text.String(), "\n"), "\\", "\\\\"))
	}
	out.WriteString("};\n")
	write(path, out.String())
}
