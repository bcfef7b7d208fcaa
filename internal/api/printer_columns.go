package api

import (
	"fmt"
	"time"

	"apichain/internal/kinds"
	"apichain/internal/schema"
	"apichain/internal/tree"
)

// The columns of custom resources in the Table form, which kubectl prints. A definition names them
// by JSON paths; the first is always the name, and without any others there is the age.
//
// A cell has the type that its column says. A value of another type makes an empty cell, except
// that any value can be shown as a string. A date is shown as an age, as kubectl shows it:
//
//	{"name":"Size","type":"integer","jsonPath":".spec.size"}      3, and 2.5 as 2; "3" as nothing
//	{"name":"Since","type":"date","jsonPath":".status.since"}     5m2s; <invalid> for what is no time

// printerColumns returns the columns of a version of a definition. The first path that cannot be read
// ends them: neither its column nor those behind it are there (upstream).
func printerColumns(version map[string]any) []kinds.Column {
	columns := []kinds.Column{{
		Name: "Name", Type: "string", Format: "name",
		Description: "The name of the object, unique among the objects of its kind in its namespace.",
		Cell:        func(obj map[string]any) any { return tree.Text(obj, "metadata", "name") },
	}}
	// A definition that asks for any column gets no age unless it asks for that, too (upstream).
	wanted := tree.List(version, "additionalPrinterColumns")
	if len(wanted) == 0 {
		wanted = []any{map[string]any{
			"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp",
			"description": "When the object was created, by the clock of the server.",
		}}
	}
	for _, w := range wanted {
		c, err := printerColumn(w)
		if err != nil {
			break
		}
		columns = append(columns, c)
	}
	return columns
}

// printerColumn returns one column that a definition asks for, or an error if its path is none.
func printerColumn(wanted any) (kinds.Column, error) {
	path := tree.Text(wanted, "jsonPath")
	c := kinds.Column{
		Name: tree.Text(wanted, "name"), Type: tree.Text(wanted, "type"), Format: tree.Text(wanted, "format"),
		Description: tree.Text(wanted, "description"),
	}
	if c.Description == "" {
		c.Description = "Custom resource definition column (in JSONPath format): " + path
	}
	if priority, ok := tree.Float(tree.At(wanted, "priority")); ok {
		c.Priority = int(priority)
	}
	// Compiled once here: a list of thousands of objects evaluates it for each.
	find, err := schema.CompileJSONPath(path)
	typ := c.Type
	c.Cell = func(obj map[string]any) any {
		if v, found := find(obj); found {
			return columnValue(typ, v, time.Now)
		}
		return nil
	}
	return c, err
}

// columnValue returns a value as a column of a type shows it, and nil if it cannot. now is asked
// only for a date.
func columnValue(typ string, v any, now func() time.Time) any {
	switch typ {
	case "integer":
		switch v := v.(type) {
		case int64:
			return v
		case float64:
			// JSON does not tell an integer from a number; the rest is cut off (upstream).
			return int64(v)
		}
	case "number":
		if f, ok := tree.Float(v); ok {
			return f
		}
	case "boolean":
		if b, ok := v.(bool); ok {
			return b
		}
	case "string":
		return columnText(v)
	case "date":
		if s, ok := v.(string); ok {
			return columnAge(s, now())
		}
	}
	return nil
}

// columnText returns a value as text, objects and lists as JSON; for null it is Go's words for that.
func columnText(v any) string {
	switch v := v.(type) {
	case nil:
		return "<no value>"
	case string:
		return v
	case map[string]any, []any:
		return string(tree.AppendJSON(nil, v))
	}
	return fmt.Sprint(v)
}

// columnAge returns how long ago the time in text (RFC 3339) was, in upstream's words: times in
// the future are as invalid as what is no time.
func columnAge(text string, now time.Time) string {
	if text == "" || text == "null" {
		return "<unknown>"
	}
	t, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return "<invalid>"
	}
	return kinds.HumanDuration(now.Sub(t))
}
