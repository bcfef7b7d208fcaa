package syntax

import "testing"

// TestSourcePlaces goes from offsets to places and back: lines count from 1, columns from 0 in runes.
func TestSourcePlaces(t *testing.T) {
	s := NewSource("世b\n\ncd\r\n")
	for _, c := range []struct {
		offset       int32
		line, column int
	}{{0, 1, 0}, {1, 1, 1}, {2, 1, 2}, {3, 2, 0}, {4, 3, 0}, {6, 3, 2}, {7, 3, 3}, {8, 4, 0}} {
		if line, column := s.Place(c.offset); line != c.line || column != c.column {
			t.Errorf("%d is in line %d, column %d, want %d, %d", c.offset, line, column, c.line, c.column)
		}
		if got := s.offset(c.line, c.column); got != c.offset {
			t.Errorf("line %d, column %d is at %d, want %d", c.line, c.column, got, c.offset)
		}
	}
	if line, column := s.Place(nowhere); line != 1 || column != -1 {
		t.Errorf("nowhere is in line %d, column %d", line, column)
	}
	if got := s.offset(9, 0); got != nowhere {
		t.Errorf("line 9 is at %d", got)
	}
	if got := s.offset(-1, -1); got != nowhere {
		t.Errorf("no line is at %d", got)
	}
}

// TestSourceLines has the lines without their ends.
func TestSourceLines(t *testing.T) {
	s := NewSource("世b\n\ncd\r\n")
	for line, want := range map[int]string{1: "世b", 2: "", 3: "cd\r", 4: ""} {
		if got, ok := s.line(line); got != want || !ok {
			t.Errorf("line %d: %q, %v, want %q", line, got, ok, want)
		}
	}
	for _, line := range []int{-1, 0, 5} {
		if got, ok := s.line(line); ok {
			t.Errorf("line %d: %q", line, got)
		}
	}
	// An empty text has no line to show, and no place either.
	empty := NewSource("")
	if _, ok := empty.line(1); ok {
		t.Error("an empty text has a line")
	}
	if line, column := empty.Place(0); line != 1 || column != -1 {
		t.Errorf("the place in an empty text is line %d, column %d", line, column)
	}
	var none *Source
	if _, ok := none.line(1); ok {
		t.Error("no source has a line")
	}
}
