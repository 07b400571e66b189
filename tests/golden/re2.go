// Writes anew what Go's regexp finds: `go run tests/golden/re2.go tests/golden/re2.json`.
package main

import (
	"bytes"
	"encoding/json"
	"os"
	"regexp"
)

// Case is a pattern, and for each subject the match and what its groups stood for; null where it does not match.
type Case struct {
	Pattern  string     `json:"pattern"`
	Subjects []string   `json:"subjects"`
	Refused  bool       `json:"refused,omitempty"`
	Found    [][]string `json:"found,omitempty"`
}

func main() {
	var cases []Case
	text, err := os.ReadFile(os.Args[1])
	if err == nil {
		err = json.Unmarshal(text, &cases)
	}
	if err != nil {
		panic(err)
	}
	out := bytes.NewBufferString("[\n")
	for i, c := range cases {
		pattern, err := regexp.Compile(c.Pattern)
		c.Refused, c.Found = err != nil, nil
		for _, subject := range c.Subjects {
			if err == nil {
				c.Found = append(c.Found, pattern.FindStringSubmatch(subject))
			}
		}
		line, _ := json.Marshal(c)
		out.Write(line)
		if i < len(cases)-1 {
			out.WriteString(",")
		}
		out.WriteString("\n")
	}
	out.WriteString("]\n")
	if err := os.WriteFile(os.Args[1], out.Bytes(), 0o644); err != nil {
		panic(err)
	}
}
