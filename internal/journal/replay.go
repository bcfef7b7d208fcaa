package journal

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"

	"apichain/internal/store"
)

// Everybody who reads a folder (Load, Check, Copy, Dump) goes the same way through it, and sees by a visitor of its own
// what is there.

// visitor gets what is in a folder: the objects of a snapshot, that they are complete, and the commits since. What it is
// given is valid until it returns. An error of it is errForm: what it was given is not what appendChange writes.
type visitor interface {
	objects(of []change) error
	complete(rev int64)
	commit(of []change) error
}

// replay goes through the files of a folder.
type replay struct {
	*folder
	visitor
	// reports has each file that was read.
	reports []FileReport
	// rev is the revision up to which everything was read.
	rev int64
	// end is where the newest journal goes on. tail is the damage there that may be a torn write, nil for none.
	end  chain
	tail *Damage

	changes []change
}

// run reads all there is. The error is a *Damage, or one of the disk; then the visitor has been given what is before. A
// torn tail is none.
func (p *replay) run(ctx context.Context) error {
	snapshot, journals, err := p.files()
	if err != nil {
		return err
	}
	if err := p.snapshot(ctx, snapshot, len(journals) == 0); err != nil {
		return err
	}
	return p.follow(ctx, journals)
}

// follow reads the journals behind the snapshot that was read.
func (p *replay) follow(ctx context.Context, journals []int64) error {
	for i, rev := range journals {
		if rev != p.rev {
			// The journal before ends with a whole record, and is too short or too long all the same.
			last := &p.reports[len(p.reports)-1]
			last.Damage = &Damage{Path: filepath.Join(p.dir, last.Name), Offset: last.Bytes, Reason: fmt.Sprintf(
				"it ends with revision %d, and the next journal begins behind %d", p.rev, rev)}
			return last.Damage
		}
		if err := p.journal(ctx, rev, i == len(journals)-1); err != nil {
			return err
		}
	}
	return nil
}

// snapshot reads a snapshot. alone says that it has no journal, which only a backup may have not.
func (p *replay) snapshot(ctx context.Context, rev int64, alone bool) error {
	return p.file(snapshotName(rev), func(r *reader, report *FileReport) error {
		if r.kind == kindJournal || r.revision != rev {
			return r.damaged(fmt.Sprintf("it is a %s of revision %d", r.kind, r.revision))
		}
		if alone && r.kind != kindBackup {
			return p.missing(rev)
		}
		var objects uint64
		for {
			rec, err := p.next(ctx, r, report)
			if errors.Is(err, io.EOF) {
				return r.damaged("its end is missing")
			}
			if err != nil {
				return err
			}
			// Only the end says that nothing is missing.
			if rec.flags&flagEnd != 0 {
				n, size := binary.Uvarint(rec.body)
				if size != len(rec.body) || n != objects || r.at != r.size {
					return rec.damaged(r, "its end is not what was written")
				}
				p.rev, report.Revision = rev, rev
				p.complete(rev)
				return nil
			}
			p.changes, err = parseBody(p.changes[:0], rec.body)
			// A snapshot has what there is at its revision: nothing that is gone, and nothing newer.
			if err == nil && slices.ContainsFunc(p.changes, func(c change) bool { return c.kind == store.Deleted || c.rev > rev }) {
				err = errForm
			}
			if err == nil {
				err = p.objects(p.changes)
			}
			if err != nil {
				return rec.damaged(r, err.Error())
			}
			objects += uint64(len(p.changes))
		}
	})
}

// journal reads a journal, which begins at the revision that was reached. When it is the newest, its tail may be torn.
func (p *replay) journal(ctx context.Context, rev int64, newest bool) error {
	return p.file(journalName(rev), func(r *reader, report *FileReport) error {
		report.Revision = rev
		if r.kind != kindJournal || r.revision > rev {
			return r.damaged(fmt.Sprintf("it is a %s of revision %d", r.kind, r.revision))
		}
		for {
			rec, err := p.next(ctx, r, report)
			var d *Damage
			switch {
			case errors.Is(err, io.EOF):
				p.end = r.chain
				return nil
			case newest && errors.As(err, &d):
				// A crash tears what was not synced yet, and that alone.
				p.end = r.chain
				if later, err := r.seek(flagSynced); err != nil {
					return err
				} else if later {
					d.Reason += fmt.Sprintf(", and all before offset %d had been synced", r.at)
					return d
				}
				d.Tail = true
				p.tail, report.Damage = d, d
				return nil
			case err != nil:
				return err
			}
			// The checksum is right: what is wrong was written so, and no crash explains it.
			if err := p.applied(rec); err != nil {
				return rec.damaged(r, err.Error())
			}
			report.Revision = p.rev
		}
	})
}

// applied hands the commit of a record on.
func (p *replay) applied(rec record) (err error) {
	// A journal that was closed ends with a record that only says that everything before it was synced.
	if len(rec.body) == 0 {
		return nil
	}
	if p.changes, err = parseBody(p.changes[:0], rec.body); err != nil {
		return err
	}
	// The store leaves no revision out, so that a file that is missing or in another's place is found.
	for i := range p.changes {
		if p.changes[i].rev != p.rev+1+int64(i) {
			return fmt.Errorf("revision %d comes after %d", p.changes[i].rev, p.rev+int64(i))
		}
	}
	p.rev += int64(len(p.changes))
	return p.commit(p.changes)
}

// file opens the file name, reads it, and reports on it.
func (p *replay) file(name string, read func(r *reader, report *FileReport) error) error {
	p.reports = append(p.reports, FileReport{Name: name})
	report := &p.reports[len(p.reports)-1]
	r, err := open(p.fs, p.dir, name)
	if err == nil {
		defer r.close()
		report.Kind, report.Bytes = r.kind, r.size
		err = read(r, report)
	}
	var d *Damage
	if errors.As(err, &d) {
		report.Damage, report.Bytes = d, d.Offset+d.Bytes
	}
	return err
}

// next returns the next record of a file and counts it.
func (p *replay) next(ctx context.Context, r *reader, report *FileReport) (record, error) {
	if err := ctx.Err(); err != nil {
		return record{}, err
	}
	rec, err := r.next()
	if err == nil {
		report.Records++
	}
	return rec, err
}

// damaged returns the damage that begins at a record.
func (rec *record) damaged(r *reader, reason string) *Damage {
	return &Damage{Path: r.path, Offset: rec.at, Bytes: r.size - rec.at, Reason: reason}
}
