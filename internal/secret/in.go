package secret

import "reflect"

// In returns all secrets that a value has anywhere inside, such as a configuration.
func In(value any) []String {
	f := finder{seen: map[visit]bool{}}
	f.walk(reflect.ValueOf(value))
	return f.found
}

// visit is a value that pointers lead to: configurations refer to each other.
type visit struct {
	at  uintptr
	of  reflect.Type
	len int
}

type finder struct {
	seen  map[visit]bool
	found []String
}

var secretType = reflect.TypeFor[String]()

func (f *finder) walk(v reflect.Value) {
	switch v.Kind() {
	case reflect.Pointer:
		if v.IsNil() || f.again(v) {
			return
		}
		f.walk(v.Elem())
	case reflect.Interface:
		f.walk(v.Elem())
	case reflect.Slice, reflect.Array:
		if v.Kind() == reflect.Slice && f.again(v) {
			return
		}
		for i := range v.Len() {
			f.walk(v.Index(i))
		}
	case reflect.Map:
		if f.again(v) {
			return
		}
		for it := v.MapRange(); it.Next(); {
			f.walk(it.Key())
			f.walk(it.Value())
		}
	case reflect.Struct:
		if v.Type() == secretType {
			f.take(v)
			return
		}
		for i := range v.NumField() {
			f.walk(v.Field(i))
		}
	default:
	}
}

// again reports whether the value was walked already, or is nothing.
func (f *finder) again(v reflect.Value) bool {
	at := visit{at: v.Pointer(), of: v.Type()}
	if v.Kind() == reflect.Slice {
		at.len = v.Len()
	}
	if at.at == 0 || f.seen[at] {
		return true
	}
	f.seen[at] = true
	return false
}

// take reads the field by reflection: what holds the secret may be unexported, and can
// then not be taken as a String.
func (f *finder) take(v reflect.Value) {
	if p := v.Field(0); !p.IsNil() && p.Elem().Len() > 0 {
		f.found = append(f.found, New(p.Elem().String()))
	}
}
