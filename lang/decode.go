package lang

import (
	"errors"
	"fmt"
	"math"
	"math/big"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	"bkp/internal/secret"
)

var (
	durationType = reflect.TypeFor[time.Duration]()
	secretType   = reflect.TypeFor[secret.String]()
)

func wrongValue(at *hcl.Range, name, typ string, err error, hidden bool) *hcl.Diagnostic {
	why := err.Error()
	if hidden {
		// The value came from outside, and may be a secret in the wrong place.
		why = "the value from outside is not a " + typ
	}
	remedy := valueRemedy(name, typ)
	var d wrongDuration
	if errors.As(err, &d) && !hidden {
		remedy = d.remedy()
	}
	return problemAt(at, "Wrong value for an attribute", fmt.Sprintf("The value of %q does not fit: %s.", name, why), remedy)
}

// valueRemedy says how a value of a type is written.
func valueRemedy(name, typ string) string {
	plain, isSecret := strings.CutSuffix(typ, " (sensitive)")
	switch {
	case isSecret:
		return fmt.Sprintf("Write %s = env(\"NAME\") or file(\"/path\"), or a sensitive variable.", name)
	case plain == "string":
		return "Write one text in quotes."
	case plain == "number":
		return "Write one number in digits, such as 7, without a unit."
	case plain == "bool":
		return "Write true or false."
	case plain == durationName:
		return durationRemedy
	case plain == "list(string)":
		return fmt.Sprintf("Write a list of texts: %s = [\"…\", \"…\"].", name)
	case plain == "list(number)":
		return fmt.Sprintf("Write a list of whole numbers: %s = [1, 2].", name)
	case strings.HasPrefix(plain, "map("):
		return fmt.Sprintf("Write names and texts: %s = { NAME = \"…\" }.", name)
	}
	return "Give a " + plain + "."
}

const durationRemedy = `Write a number and its unit, such as "90s", "5m" or "1h30m"; the units are ns, us, ms, s, m and h.`

const durationName = "duration"

// decode converts a value that is known, not null and without marks.
func decode(v cty.Value, t reflect.Type) (reflect.Value, error) {
	v, err := converted(v, wireType(t))
	if err != nil {
		return reflect.Value{}, err
	}
	return decodeWire(v, t)
}

// wireType is the cty type in which a Go type is written.
func wireType(t reflect.Type) cty.Type {
	switch t {
	case durationType, secretType:
		return cty.String
	}
	switch t.Kind() {
	case reflect.Bool:
		return cty.Bool
	case reflect.Int, reflect.Int64, reflect.Float64:
		return cty.Number
	case reflect.Slice:
		return cty.List(wireType(t.Elem()))
	case reflect.Map:
		return cty.Map(wireType(t.Elem()))
	default:
		return cty.String
	}
}

func decodeWire(v cty.Value, t reflect.Type) (reflect.Value, error) {
	if v.IsNull() {
		return reflect.Value{}, fmt.Errorf("an element is null")
	}
	switch t {
	case durationType:
		return decodeDuration(v.AsString())
	case secretType:
		// An editor ends a file with a newline, which is no part of the secret.
		return reflect.ValueOf(secret.New(strings.TrimRight(v.AsString(), "\r\n"))), nil
	}
	out := reflect.New(t).Elem()
	switch t.Kind() {
	case reflect.String:
		out.SetString(v.AsString())
	case reflect.Bool:
		out.SetBool(v.True())
	case reflect.Float64:
		f, _ := v.AsBigFloat().Float64()
		if math.IsInf(f, 0) {
			return out, fmt.Errorf("the number is too large")
		}
		out.SetFloat(f)
	case reflect.Int, reflect.Int64:
		n, acc := v.AsBigFloat().Int64()
		if acc != big.Exact || out.OverflowInt(n) {
			return out, fmt.Errorf("a whole number is required")
		}
		out.SetInt(n)
	case reflect.Slice, reflect.Map:
		return decodeElements(v, out)
	default:
		return out, fmt.Errorf("attributes of type %s are not known", t)
	}
	return out, nil
}

func decodeElements(v cty.Value, out reflect.Value) (reflect.Value, error) {
	t := out.Type()
	if t.Kind() == reflect.Map {
		out.Set(reflect.MakeMap(t))
	} else {
		out.Set(reflect.MakeSlice(t, 0, v.LengthInt()))
	}
	for it := v.ElementIterator(); it.Next(); {
		k, e := it.Element()
		field, err := decodeWire(e, t.Elem())
		if err != nil {
			return out, err
		}
		if t.Kind() == reflect.Map {
			out.SetMapIndex(reflect.ValueOf(k.AsString()).Convert(t.Key()), field)
			continue
		}
		out.Set(reflect.Append(out, field))
	}
	return out, nil
}

func decodeDuration(s string) (reflect.Value, error) {
	d, err := time.ParseDuration(s)
	if err != nil || d < 0 {
		return reflect.Value{}, wrongDuration{s}
	}
	return reflect.ValueOf(d), nil
}

// wrongDuration is a text that is no duration.
type wrongDuration struct{ text string }

func (w wrongDuration) Error() string {
	switch {
	case w.negative():
		return fmt.Sprintf("%q is negative", w.text)
	case w.tooLong():
		return fmt.Sprintf("%q is longer than 290 years", w.text)
	}
	return fmt.Sprintf("%q is not a duration", w.text)
}

func (w wrongDuration) negative() bool {
	d, err := time.ParseDuration(w.text)
	return err == nil && d < 0
}

var (
	hoursAlone = regexp.MustCompile(`^[0-9]+(h|m|s)$`)
	daysAlone  = regexp.MustCompile(`^([0-9]{1,4}) *(d|days?|w|weeks?)$`)
	unitless   = regexp.MustCompile(`^[0-9]+$`)
)

func (w wrongDuration) tooLong() bool { return hoursAlone.MatchString(w.text) }

func (w wrongDuration) remedy() string {
	if w.tooLong() || w.negative() {
		return `Write a time that can pass, such as "5m".`
	}
	if unitless.MatchString(w.text) {
		return fmt.Sprintf(`Add the unit: "%ss" for seconds, "%sm" for minutes or "%sh" for hours.`, w.text, w.text, w.text)
	}
	if m := daysAlone.FindStringSubmatch(w.text); m != nil {
		days, _ := strconv.Atoi(m[1]) // at most four digits
		if m[2][0] == 'w' {
			days *= 7
		}
		return fmt.Sprintf(`The longest unit is the hour: write "%dh".`, 24*days)
	}
	return durationRemedy
}
