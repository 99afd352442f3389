package main

import (
	"fmt"
	"log"
	"reflect"
	"sort"
	"strings"
)

// external are types that src/api already declares by hand.
var external = map[string]string{
	"ObjectMeta": "../meta.ts", "ListMeta": "../meta.ts", "OwnerReference": "../meta.ts", "ManagedFieldsEntry": "../meta.ts",
	"GroupVersionKind": "../meta.ts", "GroupVersionResource": "../meta.ts",
	"Status": "../status.ts", "StatusDetails": "../status.ts", "StatusCause": "../status.ts",
}

// interfaceNames gives every structure its TypeScript name: the Go name where it is unique, else with the group in front.
func interfaceNames() map[reflect.Type]string {
	names := map[reflect.Type]string{}
	taken := map[string]bool{"KubeObject": true, "KubeList": true, "JSONValue": true, "JSONObject": true}
	for _, p := range packs {
		group := strings.Split(p.source.id, "/")[0]
		version := strings.ToUpper(strings.Split(p.source.id, "/")[1])
		title := strings.ToUpper(group[:1]) + group[1:]
		for _, s := range p.structs {
			name := s.t.Name()
			if taken[name] && !p.source.meta {
				name = title + name
			}
			if taken[name] && !p.source.meta {
				name = title + version + s.t.Name()
			}
			if taken[name] {
				log.Fatalf("no free name for %v", s.t)
			}
			taken[name] = true
			names[s.t] = name
		}
	}
	return names
}

func literals(values []any) string {
	parts := []string{}
	for _, v := range values {
		parts = append(parts, compact(v))
	}
	sort.Strings(parts)
	return strings.Join(parts, " | ")
}

func tsType(names map[reflect.Type]string, f *field, t reflect.Type, used map[reflect.Type]bool) string {
	switch {
	case t.Kind() == reflect.Pointer:
		return tsType(names, f, t.Elem(), used)
	}
	switch special[typeKey(t)] {
	case "t", "u", "D", "q":
		return "string"
	case "o":
		return "number | string"
	case "R", "J":
		return "JSONValue"
	case "F":
		return "JSONObject"
	case "A":
		return "JSONSchemaProps | JSONSchemaProps[]"
	case "B":
		return "JSONSchemaProps | boolean"
	case "C":
		return "JSONSchemaProps | string[]"
	}
	switch t.Kind() {
	case reflect.String:
		if len(f.enum) > 0 {
			return literals(f.enum) + " | (string & {})"
		}
		return "string"
	case reflect.Bool:
		return "boolean"
	case reflect.Int32, reflect.Float64:
		return "number"
	case reflect.Int64, reflect.Int:
		return "number"
	case reflect.Interface:
		return "JSONValue"
	case reflect.Slice:
		if t.Elem().Kind() == reflect.Uint8 {
			return "string"
		}
		inner := tsType(names, f, t.Elem(), used)
		if strings.Contains(inner, "|") {
			inner = "(" + inner + ")"
		}
		return inner + "[]"
	case reflect.Map:
		return "Record<string, " + tsType(names, f, t.Elem(), used) + ">"
	case reflect.Struct:
		used[t] = true
		return names[t]
	}
	log.Fatalf("no TypeScript type for %v", t)
	return ""
}

// always says whether Go writes the field even when it is empty and never as null, so that readers need no check.
func optional(f *field) bool {
	if f.t.Kind() == reflect.Struct && f.name == "spec" {
		return false
	}
	return f.omit || f.zero
}

func properties(out *strings.Builder, names map[reflect.Type]string, s *structure, used map[reflect.Type]bool, isKind, isList bool) {
	for i := range s.fields {
		f := &s.fields[i]
		if f.name == "" {
			t := f.t
			for t.Kind() == reflect.Pointer {
				t = t.Elem()
			}
			if t.Name() == "TypeMeta" {
				if !isKind {
					out.WriteString("  kind?: string;\n  apiVersion?: string;\n")
				} else if isList {
					fmt.Fprintf(out, "  kind: string;\n  apiVersion: string;\n")
				}
				continue
			}
			properties(out, names, structOf(t), used, false, false)
			continue
		}
		if isKind && !isList && f.name == "metadata" {
			continue
		}
		mark := ""
		if optional(f) {
			mark = "?"
		}
		ts := tsType(names, f, f.t, used)
		bare := f.t
		if special[typeKey(bare)] == "" && mark == "" && (bare.Kind() == reflect.Slice || bare.Kind() == reflect.Map || bare.Kind() == reflect.Pointer) {
			// A nil list without omitempty is written as null.
			if !(isList && f.name == "items") {
				ts += " | null"
			}
		}
		if code := special[typeKey(bare)]; code == "t" || code == "u" {
			ts += " | null"
		}
		name := f.name
		if strings.ContainsAny(name, "-$.") {
			name = fmt.Sprintf("%q", name)
		}
		fmt.Fprintf(out, "  %s%s: %s;\n", name, mark, ts)
	}
}

func structOf(t reflect.Type) *structure {
	for _, s := range byPkg[t.PkgPath()].structs {
		if s.t == t {
			return s
		}
	}
	log.Fatalf("no structure %v", t)
	return nil
}

func writeTypes(path string, meta bool) {
	names := interfaceNames()
	used := map[reflect.Type]bool{}
	var body strings.Builder
	for _, p := range packs {
		if p.source.meta != meta {
			continue
		}
		kinds := map[string]bool{}
		for _, k := range p.kinds {
			kinds[k.name] = true
		}
		for _, s := range p.structs {
			if (external[s.t.Name()] != "" && meta) || s.t.Name() == "TypeMeta" || special[typeKey(s.t)] != "" {
				continue
			}
			isKind, isList, object := kinds[s.t.Name()], false, false
			for _, f := range s.fields {
				if f.name == "metadata" && f.t.Name() == "ListMeta" {
					isList = true
				}
				if f.name == "metadata" && f.t.Name() == "ObjectMeta" {
					object = true
				}
			}
			name := names[s.t]
			if name != s.t.Name() {
				fmt.Fprintf(&body, "\n/** %s of %s. */", s.t.Name(), p.source.id)
			}
			extends := ""
			if isKind && !isList && (object || !meta) {
				extends = " extends KubeObject"
			}
			fmt.Fprintf(&body, "\nexport interface %s%s {\n", name, extends)
			properties(&body, names, s, used, isKind && (extends != "" || isList), isList)
			body.WriteString("}\n")
		}
	}
	var out strings.Builder
	imports := map[string][]string{}
	up := "../../api/"
	if meta {
		up = "../"
	}
	for t := range used {
		name := names[t]
		if from := external[t.Name()]; from != "" && byPkg[t.PkgPath()].source.meta {
			imports[up+strings.TrimPrefix(from, "../")] = append(imports[up+strings.TrimPrefix(from, "../")], name)
		} else if !meta && byPkg[t.PkgPath()].source.meta {
			imports["../../api/generated/types.ts"] = append(imports["../../api/generated/types.ts"], name)
		}
	}
	for _, name := range []string{"KubeObject", "JSONValue", "JSONObject"} {
		if strings.Contains(body.String(), name) {
			imports[up+"meta.ts"] = append(imports[up+"meta.ts"], name)
		}
	}
	out.WriteString("/** The built-in types as TypeScript sees them after decoding. Optional: Go leaves it out when empty. */\n" + banner)
	froms := []string{}
	for from := range imports {
		froms = append(froms, from)
	}
	sort.Strings(froms)
	for _, from := range froms {
		list := imports[from]
		sort.Strings(list)
		fmt.Fprintf(&out, "import type { %s } from %q;\n", strings.Join(list, ", "), from)
	}
	out.WriteString(body.String())
	write(path, out.String())
}
