package main

import "strconv"

// fieldPath is the path of a place in an object, made step by step and written only when
// an error needs it. A nil path is the place that has no name yet.
type fieldPath struct {
	outer *fieldPath
	step  string // .name, [key] or [0]; the first one without its dot
}

func rootPath(name string) *fieldPath { return &fieldPath{nil, name} }

func (p *fieldPath) child(name string) *fieldPath {
	if p == nil {
		return rootPath(name)
	}
	return &fieldPath{p, "." + name}
}

func (p *fieldPath) key(key string) *fieldPath { return &fieldPath{p, "[" + key + "]"} }

func (p *fieldPath) index(i int) *fieldPath { return &fieldPath{p, "[" + strconv.Itoa(i) + "]"} }

func (p *fieldPath) String() string {
	if p == nil {
		return noField
	}
	size := 0
	for q := p; q != nil; q = q.outer {
		size += len(q.step)
	}
	b := make([]byte, size)
	for q := p; q != nil; q = q.outer {
		size -= len(q.step)
		copy(b[size:], q.step)
	}
	return string(b)
}

// noField is how upstream names the field of an error that knows none.
const noField = "<nil>"
