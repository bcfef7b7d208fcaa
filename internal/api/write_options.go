package api

import (
	"fmt"
	"slices"
	"unicode"

	"apichain/internal/field"
	"apichain/internal/status"
)

// options are what every write may say beside its object, in the query. The zero value, as a
// read has it, stores what is written and says nothing of unknown fields.
type options struct {
	// dryRun does everything but store.
	dryRun bool
	// strict is fieldValidation: what becomes of unknown and repeated fields. They are dropped
	// without a word (Ignore), with a warning each (Warn), or refused (Strict).
	strict string
	// manager is fieldManager, "" where the client does not say.
	manager string
	// applies says that it is a server-side apply, and force that it takes over what others own.
	applies, force bool
}

// writeOptions reads the options of a write into the call, before anything else of it is read.
// kind names them in the 422 that lists all that is wrong with them.
func (q *Call) writeOptions(kind string) error {
	q.strict = "Warn"
	if q.query == nil && !q.applies {
		return nil
	}
	var errs []field.Error
	force, given := q.flag("force")
	if q.force = force && q.applies; kind == "PatchOptions" && given && !q.applies {
		errs = append(errs, field.Forbidden("force", "may not be specified for non-apply patch"))
	}
	if q.manager = q.param("fieldManager"); q.applies && q.manager == "" {
		errs = append(errs, field.Required("fieldManager", "is required for apply patch"))
	}
	errs = append(errs, managerErrors(q.manager)...)
	if v := q.query["dryRun"]; len(v) > 0 {
		// The one value there is may come more than once. One error shows all of them.
		if slices.ContainsFunc(v, func(s string) bool { return s != "All" }) {
			errs = append(errs, field.NotSupported("dryRun", v, "All"))
		}
		q.dryRun = true
	}
	if v := q.param("fieldValidation"); v != "" {
		if !slices.Contains([]string{"Ignore", "Warn", "Strict"}, v) {
			errs = append(errs, field.NotSupported("fieldValidation", v, "", "Ignore", "Strict", "Warn"))
		}
		q.strict = v
	}
	if len(errs) > 0 {
		return status.Invalid("meta.k8s.io", kind, "", errs)
	}
	return nil
}

// maxManager is the most bytes that the name of a field manager may have (upstream).
const maxManager = 128

// managerErrors returns what is wrong with the name of a field manager: at most 128 bytes, all of
// them of printable characters. Each that is not is named by its offset in bytes.
func managerErrors(manager string) (errs []field.Error) {
	if len(manager) > maxManager {
		errs = append(errs, field.TooLong("fieldManager", maxManager))
	}
	for i, c := range manager {
		if !unicode.IsPrint(c) {
			errs = append(errs, field.Invalid("fieldManager", manager, fmt.Sprintf("invalid character %#U (at position %d)", c, i)))
		}
	}
	return errs
}
