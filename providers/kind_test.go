package providers_test

import (
	"slices"
	"strings"
	"testing"

	"bkp/providers"
)

type (
	bolt interface{ Bolt() }

	DoorConfig struct {
		On providers.Ref[bolt] `hcl:"on,optional" kind:"bolt" help:"h" unset:"u"`
	}
	nestedConfig struct {
		DoorConfig
		Hinge  hingeConfig   `hcl:"hinge,block" help:"h"`
		Handle *hingeConfig  `hcl:"handle,block" help:"h"`
		Panels []panelConfig `hcl:"panel,block" help:"h"`
	}
	hingeConfig struct {
		Size int `hcl:"size,optional" help:"h"`
	}
	panelConfig struct {
		By []providers.Ref[bolt] `hcl:"by" kind:"bolt" help:"h"`
	}
)

var (
	bolts = providers.NewKind[bolt]("bolt", providers.About{Plural: "bolts"})
	doors = providers.NewKind[string]("door", providers.About{Plural: "doors"})
)

func bolted(typ string) providers.Definition {
	return providers.Define(bolts, typ, "s", struct{}{}, func(struct{}, providers.Env) (bolt, error) { return nil, nil })
}

func door[C any](typ string, defaults C, options ...providers.Option) providers.Definition {
	return providers.Define(doors, typ, "s", defaults, func(C, providers.Env) (string, error) { return typ, nil }, options...)
}

func TestTheRegistryKnowsItsKinds(t *testing.T) {
	t.Parallel()
	r := providers.NewRegistry(door("z", struct{}{}), bolted("b"), door("none", struct{}{}, providers.Empty()), door("in", struct{}{}, providers.Inside(bolts)), door("a", struct{}{}))
	if want := []providers.AnyKind{doors, bolts}; !slices.Equal(r.Kinds(), want) {
		t.Errorf("kinds %v, want %v", r.Kinds(), want)
	}
	var names []string
	for _, d := range r.Definitions() {
		names = append(names, d.Name())
	}
	if want := []string{`door "a"`, `door "in"`, `door "none"`, `door "z"`, `bolt "b"`}; !slices.Equal(names, want) {
		t.Errorf("definitions %v, want %v", names, want)
	}
	if d, ok := r.Example("door"); !ok || d.Type != "z" {
		t.Errorf("the example is %s", d.Type)
	}
	if d, ok := r.Empty("door"); !ok || d.Type != "none" {
		t.Errorf("the empty one is %s", d.Type)
	}
	if _, ok := r.Empty("bolt"); ok {
		t.Error("there is an empty bolt")
	}
}

func TestARegistryRefusesWhatCannotWork(t *testing.T) {
	t.Parallel()
	type wrong struct {
		On providers.Ref[string] `hcl:"on" kind:"bolt" help:"h"`
	}
	type nested struct {
		In []wrong `hcl:"in,block" help:"h"`
	}
	twin := providers.NewKind[bolt]("door", providers.About{})
	for want, defs := range map[string][]providers.Definition{
		"registered twice":          {bolted("b"), bolted("b")},
		"two kinds are called door": {door("a", struct{}{}), providers.Define(twin, "b", "s", struct{}{}, func(struct{}, providers.Env) (bolt, error) { return nil, nil })},
		"which has no strategy":     {door("a", DoorConfig{})},
		"opens a string":            {door("a", wrong{}), bolted("b")},
		"on of door \"a\" opens a ": {door("a", nested{}), bolted("b")},
	} {
		if got := panics(func() { providers.NewRegistry(defs...) }); !strings.Contains(got, want) {
			t.Errorf("want a panic with %q, got %q", want, got)
		}
	}
}

func TestASchemaRefusesWhatCannotBeDecoded(t *testing.T) {
	t.Parallel()
	for want, cfg := range map[string]any{
		"has no help": struct {
			A string `hcl:"a"`
		}{},
		"has a tag kind": struct {
			A string `hcl:"a" kind:"bolt" help:"h"`
		}{},
		"a reference, and nothing else": struct {
			A providers.Ref[bolt] `hcl:"a" help:"h"`
		}{},
		"cannot be a block": struct {
			A string `hcl:"a,block" help:"h"`
		}{},
		"or it has a default": struct {
			A *hingeConfig `hcl:"a,block" help:"h"`
		}{A: &hingeConfig{}},
		"field of type": struct {
			A chan int `hcl:"a" help:"h"`
		}{},
	} {
		if got := panics(func() { providers.SchemaOf(cfg) }); !strings.Contains(got, want) {
			t.Errorf("want a panic with %q, got %q", want, got)
		}
	}
}

func panics(f func()) (text string) {
	defer func() { text, _ = recover().(string) }()
	f()
	return ""
}

func TestKindsDoNotMix(t *testing.T) {
	t.Parallel()
	d := bolted("b")
	if _, err := doors.Open(d, d.NewConfig(), providers.Env{}); err == nil {
		t.Error("a bolt opens as a door")
	}
	if _, err := bolts.Open(d, d.NewConfig(), providers.Env{}); err != nil {
		t.Error(err)
	}
}

func TestBindLeavesTheConfigurationAsItIs(t *testing.T) {
	t.Parallel()
	s := providers.SchemaOf(nestedConfig{})
	cfg := &nestedConfig{Handle: &hingeConfig{1}, Panels: []panelConfig{{By: []providers.Ref[bolt]{{Address: "bolt.b.x"}}}}}
	s.Attributes[0].Refer(cfg, []string{"bolt.b.y"})
	bound := s.Bind(cfg, func(string) (any, error) { return nil, nil }).(*nestedConfig)
	if _, err := bound.On.Open(); err != nil {
		t.Error(err)
	}
	if _, err := bound.Panels[0].By[0].Open(); err != nil {
		t.Error(err)
	}
	if _, err := cfg.Panels[0].By[0].Open(); err == nil {
		t.Error("a reference of the original opens")
	}
	if bound.Handle == cfg.Handle || bound.Handle.Size != 1 {
		t.Error("the optional block is shared or lost")
	}
	if got := s.Attributes[0].Addresses(cfg); !slices.Equal(got, []string{"bolt.b.y"}) {
		t.Errorf("addresses %v", got)
	}
}

func TestBlocksAreAdded(t *testing.T) {
	t.Parallel()
	s := providers.SchemaOf(nestedConfig{Hinge: hingeConfig{3}})
	cfg := &nestedConfig{Hinge: hingeConfig{3}}
	for _, b := range s.Blocks {
		b.Add(cfg)
	}
	panel := s.Blocks[2]
	panel.Attributes[0].Refer(panel.Add(cfg), []string{"bolt.b.x", "bolt.b.y"})
	if len(cfg.Panels) != 2 || len(cfg.Panels[1].By) != 2 || cfg.Handle == nil || cfg.Hinge.Size != 3 {
		t.Errorf("%+v", cfg)
	}
	var required []string
	for _, b := range s.Blocks {
		if b.Required() {
			required = append(required, b.Name)
		}
	}
	if len(required) != 0 || !panel.Repeatable() {
		t.Errorf("required %v", required)
	}
}
