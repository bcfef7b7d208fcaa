package main

import "testing"

func TestKindsLoad(t *testing.T) {
	table, err := loadKinds()
	if err != nil {
		t.Fatal(err)
	}
	t.Log(len(table.kinds), len(table.types))
}

func BenchmarkLoadKinds(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		if _, err := loadKinds(); err != nil {
			b.Fatal(err)
		}
	}
}
