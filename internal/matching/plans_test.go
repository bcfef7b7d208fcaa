package matching

import (
	"strconv"
	"sync"
	"testing"

	"apichain/internal/api"
)

// shapeOf returns the shape of a number.
func shapeOf(i int) Shape { return Shape{api.Validating, nil, strconv.Itoa(i), api.OperationCreate} }

// TestPlansMadeOnce: a plan is made once, by whoever asks first, also if it is nil.
func TestPlansMadeOnce(t *testing.T) {
	var p Plans[int]
	made := [2]int{}
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for i := range made {
				got := p.Of(shapeOf(i), func(Shape) []int {
					made[i]++ // under the lock of Plans
					return [2][]int{nil, {7}}[i]
				})
				if len(got) != i {
					t.Errorf("shape %d: plan %v", i, got)
				}
			}
		})
	}
	all.Wait()
	if made != [2]int{1, 1} {
		t.Errorf("made %v times", made)
	}
}

// TestPlansBounded: as many as there may be are kept; with the next one all before it go, and may be made again.
func TestPlansBounded(t *testing.T) {
	var p Plans[int]
	made := 0
	plan := func(Shape) []int { made++; return nil }
	for i := range mostPlans {
		p.Of(shapeOf(i), plan)
	}
	if n := len(*p.made.Load()); n != mostPlans || made != n {
		t.Fatalf("%d plans, %d were made", n, made)
	}
	p.Of(shapeOf(-1), plan)
	if n := len(*p.made.Load()); n != 1 {
		t.Errorf("%d plans behind the last that fits", n)
	}
	if p.Of(shapeOf(0), plan); made != mostPlans+2 {
		t.Errorf("%d were made, the first one once more is %d", made, mostPlans+2)
	}
}

// TestPlansCostNothing: a plan that is there is found without allocating.
func TestPlansCostNothing(t *testing.T) {
	var p Plans[int]
	s := shapeOf(1)
	plan := func(Shape) []int { return []int{1} }
	p.Of(s, plan)
	if n := testing.AllocsPerRun(100, func() { p.Of(s, plan) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
