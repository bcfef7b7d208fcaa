package auth

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"apichain/internal/request"
)

// readTokenFile reads the users of a token file, as upstream has it:
//
//	token,user,uid,"group1,group2"
//
// Further columns are ignored. A record without a token is left out, and of two with the
// same token the last counts; both are notes for the log. Errors name the file and a line,
// and neither errors nor notes hold a token.
func readTokenFile(name string) (tokens map[string]*request.User, notes []string, err error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, nil, fmt.Errorf("--token-auth-file: %w", err)
	}
	defer f.Close()
	if tokens, notes, err = parseTokens(f); err != nil {
		return nil, nil, fmt.Errorf("token file %s: %w", name, err)
	}
	for i := range notes {
		notes[i] = "token file " + name + ": " + notes[i]
	}
	return tokens, notes, nil
}

// parseTokens reads a token file. Its errors begin with the line, its notes too. Users are
// as the file has them: no group is added.
func parseTokens(r io.Reader) (tokens map[string]*request.User, notes []string, err error) {
	tokens = map[string]*request.User{}
	in := csv.NewReader(r)
	// Records may differ in their number of columns: groups are optional.
	in.FieldsPerRecord = -1
	for {
		record, err := in.Read()
		if err == io.EOF {
			return tokens, notes, nil
		}
		// The text of a ParseError has its own idea of where it is; the line that the
		// record begins at is what one looks for.
		var wrong *csv.ParseError
		if errors.As(err, &wrong) {
			return nil, nil, fmt.Errorf("line %d: %w", wrong.StartLine, wrong.Err)
		}
		if err != nil {
			return nil, nil, err
		}
		line, _ := in.FieldPos(0)
		if len(record) < 3 {
			return nil, nil, fmt.Errorf("line %d: want at least 3 columns (token, user, uid), found %d", line, len(record))
		}
		token := record[0]
		// An empty token would make everybody who sends none this user.
		if token == "" {
			notes = append(notes, fmt.Sprintf("line %d: no token, the line is left out", line))
			continue
		}
		if tokens[token] != nil {
			notes = append(notes, fmt.Sprintf("line %d: a token that stands further up, this line counts", line))
		}
		u := &request.User{Name: record[1], UID: record[2]}
		// Split of "" would be one group without a name.
		if len(record) > 3 && record[3] != "" {
			u.Groups = strings.Split(record[3], ",")
		}
		tokens[token] = u
	}
}
