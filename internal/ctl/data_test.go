package ctl

import (
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"apichain/internal/journal"
	"apichain/internal/store"
)

// data runs the subcommand.
func data(t testing.TB, args ...string) (code int, out, errs string) {
	t.Helper()
	var o, e bytes.Buffer
	code = Data(t.Context(), "v1", args, &o, &e)
	return code, o.String(), e.String()
}

// keptFolder is a folder that has one object.
func keptFolder(t testing.TB) string {
	t.Helper()
	dir := t.TempDir()
	j, err := journal.Open(dir, journal.Options{First: 7})
	if err != nil {
		t.Fatal(err)
	}
	s := store.New(store.Window{Events: 10, Bytes: 1 << 20})
	if err := s.Open(t.Context(), j); err != nil {
		t.Fatal(err)
	}
	d := store.Encode(map[string]any{"metadata": map[string]any{"name": "a"}}, nil)
	if _, err := s.Commit(t.Context(), store.Change{Bucket: s.Bucket("configmaps"), Key: "n/a", Next: &d}); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return dir
}

// TestDataOfFolders: a folder is looked at, dumped and saved; one that is damaged is no, and is mended.
func TestDataOfFolders(t *testing.T) {
	dir, file := keptFolder(t), filepath.Join(t.TempDir(), "b")
	for _, c := range []struct {
		args string
		code int
		out  string
	}{
		{"check " + dir, exitDone, "1 objects at revision 8\n"},
		{"repair " + dir, exitDone, "1 objects at revision 8\n"},
		{"dump " + dir, exitDone, `"bucket":"configmaps","key":"n/a"`},
		{"backup " + dir + " " + file, exitDone, "1 objects at revision 8 in " + file + "\n"},
	} {
		code, out, errs := data(t, strings.Fields(c.args)...)
		if code != c.code || !strings.Contains(out, c.out) || errs != "" {
			t.Errorf("%s: %d %q %q", c.args, code, out, errs)
		}
	}
	// A backup that is alone in a folder is whole.
	alone := t.TempDir()
	if err := os.Rename(file, filepath.Join(alone, "b")); err != nil {
		t.Fatal(err)
	}
	if code, out, errs := data(t, "check", alone); code != exitDone || !strings.Contains(out, "1 objects at revision 8\n") {
		t.Errorf("of a backup: %d %q %q", code, out, errs)
	}
	// The last byte is gone.
	files, err := filepath.Glob(filepath.Join(dir, "*.journal"))
	if err != nil || len(files) != 1 {
		t.Fatal(files, err)
	}
	info, err := os.Stat(files[0])
	if err == nil {
		err = os.Truncate(files[0], info.Size()-1)
	}
	if err != nil {
		t.Fatal(err)
	}
	if code, out, errs := data(t, "check", dir); code != exitNot || errs != "" || !strings.Contains(out, "cut short") {
		t.Errorf("damaged: %d %q %q", code, out, errs)
	}
	if code, out, errs := data(t, "repair", dir); code != exitDone || errs != "" {
		t.Errorf("mended: %d %q %q", code, out, errs)
	}
	if code, out, errs := data(t, "check", dir); code != exitDone {
		t.Errorf("after it: %d %q %q", code, out, errs)
	}
}

// TestDataIsWrong: what cannot be done is one line, and leaves no file behind.
func TestDataIsWrong(t *testing.T) {
	dir := keptFolder(t)
	there := filepath.Join(t.TempDir(), "there")
	if err := os.WriteFile(there, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	for _, c := range []struct {
		args string
		code int
		errs string
	}{
		{"", exitUsage, "check, repair, dump or backup is missing; see apichain data --help"},
		{"look DIR", exitUsage, `"look" is not check, repair, dump or backup`},
		{"check", exitUsage, "it is: data check DIR"},
		{"backup a", exitUsage, "it is: data backup URL|DIR FILE"},
		{"check a --bogus", exitUsage, "bogus"},
		{"check " + dir + "/none", exitRefused, dir + "/none"},
		{"check " + t.TempDir(), exitRefused, "there are no files of a journal"},
		{"backup " + dir + " " + there, exitRefused, there + " is there already"},
		{"backup " + dir + " " + dir + "/no/file", exitRefused, dir + "/no"},
		{"backup http://127.0.0.1:1/x " + there + "2", exitUsage, "is not http://HOST:PORT"},
		{"backup http://" + l.Addr().String() + " " + there + "2", exitNoAnswer, "nothing answers at http://" + l.Addr().String()},
		{"backup http://" + l.Addr().String() + " /none/2", exitRefused, "/none"},
		{"backup https://127.0.0.1:1 --kubeconfig /none " + there + "2", exitUsage, "--kubeconfig: "},
	} {
		code, out, errs := data(t, strings.Fields(c.args)...)
		if code != c.code || out != "" || !strings.HasPrefix(errs, "apichain: data: ") || !strings.Contains(errs, c.errs) || strings.Count(errs, "\n") != 1 {
			t.Errorf("%s: %d %q %q", c.args, code, out, errs)
		}
	}
	if left, err := os.ReadDir(filepath.Dir(there)); err != nil || len(left) != 1 {
		t.Errorf("left behind: %v %v", left, err)
	}
	if code, out, errs := data(t, "check", "--help", "x"); code != exitDone || !strings.HasPrefix(out, "apichain data: ") || errs != "" {
		t.Errorf("help: %d %q %q", code, out, errs)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if code := Data(ctx, "v1", []string{"backup", "http://127.0.0.1:1", there + "2"}, io.Discard, io.Discard); code != exitInterrupted {
		t.Errorf("interrupted: %d", code)
	}
}

// TestDataFetch: the backup of a program is written as it comes, and is not there when it breaks off.
func TestDataFetch(t *testing.T) {
	answer := func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, "the backup") }
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/admin/v1/backup" || r.Header.Get("User-Agent") != "apichain/v1" {
			t.Errorf("asked %s as %s", r.URL, r.UserAgent())
		}
		answer(w, r)
	}))
	defer s.Close()
	file := filepath.Join(t.TempDir(), "b")
	if code, out, errs := data(t, "backup", s.URL, file); code != exitDone || out != "10 bytes in "+file+"\n" || errs != "" {
		t.Errorf("%d %q %q", code, out, errs)
	}
	if b, err := os.ReadFile(file); err != nil || string(b) != "the backup" {
		t.Errorf("%q %v", b, err)
	}
	answer = func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/octet-stream")
		_, _ = io.WriteString(w, "the ba")
		w.(http.Flusher).Flush()
		panic(http.ErrAbortHandler)
	}
	if code, _, errs := data(t, "backup", s.URL, file+"2"); code != exitRefused || !strings.Contains(errs, "broke off") {
		t.Errorf("broken off: %d %q", code, errs)
	}
	answer = func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(403)
		_, _ = io.WriteString(w, `{"kind":"Status","message":"not you"}`)
	}
	if code, _, errs := data(t, "backup", s.URL, file+"2"); code != exitRefused || errs != "apichain: data: not you\n" {
		t.Errorf("refused: %d %q", code, errs)
	}
	if left, err := os.ReadDir(filepath.Dir(file)); err != nil || len(left) != 1 {
		t.Errorf("left behind: %v %v", left, err)
	}
}
