package rotation
import ("testing";"fmt";"strings";"time";"os")
func TestTry(t *testing.T) {
	for _, c := range [][]class{{writeOnly},{metadata},{readable},{writeOnly,metadata}} {
		for _, b := range [][3]int8{{0,0,1},{1,0,1},{0,1,1},{1,1,1},{1,1,2},{0,0,2}} {
			if len(c)>1 && b[2]>1 { continue }
			cfg := config{c, Planned, false, b[0], b[1], b[2]}
			start := time.Now()
			r := protocolItself.explore(cfg, 400000, false)
			fmt.Fprintln(os.Stderr, cfg, r.states, r.ends, time.Since(start).Round(time.Millisecond), r.fault)
			if r.fault != "" {
				r := protocolItself.explore(cfg, 400000, true)
				t.Fatal(strings.Join(r.history,"\n"))
			}
		}
	}
}
