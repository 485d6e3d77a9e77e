package providers

import (
	"encoding/json"
	"fmt"
	"reflect"

	"bkp/internal/secret"
)

// Encode writes a configuration for another process of bkp, which reads it with
// Decode. Its secrets are in it as they are: it MUST go nowhere but there, and
// never into an argument, an environment or a log.
func (s Schema) Encode(cfg any) (json.RawMessage, error) {
	out, err := s.encode(cfg)
	if err != nil {
		return nil, err
	}
	return json.Marshal(out)
}

// wired is a configuration on its way. Attributes are by their names, blocks in
// their order.
type wired struct {
	Attributes map[string]json.RawMessage `json:"attributes,omitempty"`
	Blocks     map[string][]wired         `json:"blocks,omitempty"`
}

func (s Schema) encode(cfg any) (wired, error) {
	out := wired{Attributes: map[string]json.RawMessage{}, Blocks: map[string][]wired{}}
	for _, a := range s.Attributes {
		var value any
		switch field := a.Field(cfg); {
		case a.Refers != "":
			value = a.Addresses(cfg)
		case a.Secret:
			hidden, _ := field.Interface().(secret.String)
			if !hidden.IsSet() {
				continue
			}
			value = hidden.Reveal()
		default:
			value = field.Interface()
		}
		data, err := json.Marshal(value)
		if err != nil {
			return out, fmt.Errorf("attribute %s: %w", a.Name, err)
		}
		out.Attributes[a.Name] = data
	}
	for _, b := range s.Blocks {
		for _, nested := range b.In(cfg) {
			w, err := b.encode(nested)
			if err != nil {
				return out, err
			}
			out.Blocks[b.Name] = append(out.Blocks[b.Name], w)
		}
	}
	return out, nil
}

// Decode reads what Encode wrote into cfg, a pointer to a configuration of its
// defaults. Its references are not opened by it.
func (s Schema) Decode(data json.RawMessage, cfg any) error {
	var w wired
	if err := json.Unmarshal(data, &w); err != nil {
		return fmt.Errorf("configuration: %w", err)
	}
	return s.decode(w, cfg)
}

func (s Schema) decode(w wired, cfg any) error {
	for _, a := range s.Attributes {
		data, ok := w.Attributes[a.Name]
		if !ok {
			continue
		}
		if err := a.decode(data, cfg); err != nil {
			return fmt.Errorf("attribute %s: %w", a.Name, err)
		}
	}
	for _, b := range s.Blocks {
		for _, nested := range w.Blocks[b.Name] {
			if err := b.decode(nested, b.Add(cfg)); err != nil {
				return err
			}
		}
	}
	return nil
}

func (a Attribute) decode(data json.RawMessage, cfg any) error {
	switch {
	case a.Refers != "":
		var addresses []string
		if err := json.Unmarshal(data, &addresses); err != nil {
			return err
		}
		a.Refer(cfg, addresses)
		return nil
	case a.Secret:
		var value string
		if err := json.Unmarshal(data, &value); err != nil {
			return err
		}
		a.Field(cfg).Set(reflect.ValueOf(secret.New(value)))
		return nil
	default:
		a.Field(cfg).SetZero() // of a map, it would add to the defaults
		return json.Unmarshal(data, a.Field(cfg).Addr().Interface())
	}
}
