package ctl

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"

	"apichain/internal/flags"
	"apichain/internal/journal"
)

// The subcommand data is about the folder of --data-dir, which nobody may hold meanwhile, but for a backup of a
// running program, which its admin endpoint gives out:
//
//	data check DIR         a line a file, and one for all; 5 if a start would have to cut something or would refuse
//	data repair DIR        what can be read becomes a folder that a start takes; what was lost is said
//	data dump DIR          all objects and changes, one JSON object a line
//	data backup DIR FILE   the newest state as one file
//	data backup URL FILE   that of a running program
//
// A backup that is alone in a folder is what --data-dir begins with.

// dataUses are the uses of the subcommand, with the number of their words.
var dataUses = []struct {
	verb, usage, does string
	words             int
	run               func(*dataCommand) error
}{
	{"check", "check DIR", "say what is in the folder, and whether it is whole", 1, (*dataCommand).check},
	{"repair", "repair DIR", "make it one that a start takes, and say what is lost; what is not used stays beside", 1, (*dataCommand).repair},
	{"dump", "dump DIR", "write all of it, one JSON object a line", 1, (*dataCommand).dump},
	{"backup", "backup URL|DIR FILE", "write the newest state to a file; alone in a folder it is what --data-dir begins with",
		2, (*dataCommand).backup},
}

// dataCommand is one run of the subcommand.
type dataCommand struct {
	version, kubeconfig string
	ctx                 context.Context
	out                 io.Writer
	// words are those behind the verb.
	words []string
}

// Data runs the subcommand data with the arguments behind its name, and returns its exit code: 0, 1 where it cannot
// be done, 2 for wrong usage, 4 if nothing answers, 5 if a folder that was checked is not whole, and 130 when ctx
// ended. What is wrong is one line on errOut.
func Data(ctx context.Context, version string, args []string, out, errOut io.Writer) int {
	d := &dataCommand{version: version, ctx: ctx, out: out}
	err := d.do(args)
	code := exitRefused
	var wrong usageError
	var none *unreachable
	var not negative
	switch {
	case err == nil:
		return exitDone
	case ctx.Err() != nil:
		return exitInterrupted
	case errors.Is(err, flag.ErrHelp):
		dataHelp(out)
		return exitDone
	case errors.As(err, &wrong):
		code, err = exitUsage, fmt.Errorf("%w; see apichain data --help", err)
	case errors.As(err, &none):
		code = exitNoAnswer
	case errors.As(err, &not):
		code = exitNot
	}
	if text := err.Error(); text != "" {
		fmt.Fprintln(errOut, "apichain: data:", strings.Join(strings.Fields(text), " "))
	}
	return code
}

// do reads the arguments and does what they ask for.
func (d *dataCommand) do(args []string) error {
	f := flag.NewFlagSet("data", flag.ContinueOnError)
	f.StringVar(&d.kubeconfig, "kubeconfig", "", "")
	words, err := flags.Words(f, args)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return err
	case err != nil:
		return usageError(err.Error())
	case len(words) == 0:
		return usageError("check, repair, dump or backup is missing")
	}
	for _, u := range dataUses {
		if u.verb != words[0] {
			continue
		}
		if d.words = words[1:]; len(d.words) != u.words {
			return usageError("it is: data " + u.usage)
		}
		return u.run(d)
	}
	return usageError(fmt.Sprintf("%q is not check, repair, dump or backup", words[0]))
}

// dataHelp writes what the subcommand does.
func dataHelp(w io.Writer) {
	fmt.Fprint(w, "apichain data: look at, mend and save the folder of --data-dir.\n\nUsage:\n")
	for _, u := range dataUses {
		fmt.Fprintf(w, "  apichain data %s\n        %s\n", u.usage, u.does)
	}
	fmt.Fprintf(w, `
Nobody may hold the folder meanwhile. URL is the admin endpoint of a running program.

Flags:
  --kubeconfig FILE
        with CA and credentials, for a URL with https

Exit codes:
  0    done
  %d    it cannot be done
  %d    wrong usage
  %d    nothing answered
  %d    check: the folder is not whole
  %d  interrupted
`, exitRefused, exitUsage, exitNoAnswer, exitNot, exitInterrupted)
}

// check says what is in a folder.
func (d *dataCommand) check() error {
	report, err := journal.Check(d.words[0])
	if err != nil {
		return err
	}
	_, err = io.WriteString(d.out, report.String())
	if err == nil && !report.Whole() {
		err = negative("") // the report says it
	}
	return err
}

// repair mends a folder.
func (d *dataCommand) repair() error {
	report, err := journal.Repair(d.words[0])
	if err == nil {
		_, err = io.WriteString(d.out, report.String())
	}
	return err
}

// dump writes all that a folder has.
func (d *dataCommand) dump() error { return journal.Dump(d.words[0], d.out) }

// backup writes the newest state of a folder, or of a running program, to a file, which must not be there.
func (d *dataCommand) backup() error {
	from, file := d.words[0], d.words[1]
	// Whoever names a file that is there has most likely a backup in it that is worth more than the new one.
	if _, err := os.Lstat(file); err == nil {
		return fmt.Errorf("%s is there already", file)
	}
	if !strings.Contains(from, "://") && !strings.HasPrefix(from, "unix:") {
		report, err := journal.Copy(from, file)
		if err != nil {
			return err
		}
		fmt.Fprintf(d.out, "%d objects at revision %d in %s\n", report.Objects, report.Revision, file)
		return nil
	}
	c, err := newAdminClient(location{admin: from, kubeconfig: d.kubeconfig}, d.version)
	if err != nil {
		return usageError(strings.Replace(err.Error(), "--admin: ", "", 1))
	}
	n, err := d.fetch(c, file)
	if err != nil {
		return err
	}
	fmt.Fprintf(d.out, "%d bytes in %s\n", n, file)
	return nil
}

// fetch writes the backup of a running program to a file that is there whole or not at all, and on the disk.
func (d *dataCommand) fetch(c *adminClient, file string) (n int64, err error) {
	f, err := os.CreateTemp(filepath.Dir(file), "."+filepath.Base(file)+"-*")
	if err != nil {
		return 0, err
	}
	defer func() {
		if err != nil {
			_ = os.Remove(f.Name())
		}
	}()
	err = c.copy(d.ctx, "/admin/v1/backup", f)
	if err == nil {
		n, err = f.Seek(0, io.SeekCurrent)
	}
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return 0, err
	}
	return n, os.Rename(f.Name(), file)
}

// copy writes the body of a 2xx answer to w while it comes, however long that takes. An error is a *refusal, an
// *unreachable, ctx's, or that of w; then w has a part of the answer.
func (c *adminClient) copy(ctx context.Context, target string, w io.Writer) error {
	req, err := c.request(ctx, http.MethodGet, target, "application/octet-stream", nil)
	if err != nil {
		return err
	}
	resp, answer, err := c.at.Copy(ctx, req, w)
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case err != nil && resp == nil:
		return &unreachable{fmt.Errorf("nothing answers at %s: %w", c.given, err)}
	case err != nil:
		return fmt.Errorf("the answer of %s broke off: %w", c.given, err)
	case resp.StatusCode/100 != 2:
		return &refusal{resp.StatusCode, c.refusalText(req, target, resp.Status, answer)}
	}
	return nil
}
