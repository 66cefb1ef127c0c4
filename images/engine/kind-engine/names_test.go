package main

import (
	"context"
	"errors"
	"net"
	"testing"
	"time"
)

// Go's resolver asks, and must understand the answer.
func TestNoNameExists(t *testing.T) {
	server, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	go answerPackets(server)
	resolver := net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "udp", server.LocalAddr().String())
	}}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	_, err = resolver.LookupHost(ctx, "some.name.example.")
	var missing *net.DNSError
	if !errors.As(err, &missing) || !missing.IsNotFound {
		t.Errorf("looking up a name gave %v, not that it does not exist", err)
	}
}

func TestNoAnswerToWhatIsNoQuery(t *testing.T) {
	question := []byte{0, 7, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 1, 'a', 0, 0, 1, 0, 1}
	if answer := noSuchName(question); len(answer) != len(question) || answer[1] != 7 || answer[3]&0xf != 3 {
		t.Errorf("a query was answered with %v", answer)
	}
	isAnswer := append([]byte(nil), question...)
	isAnswer[2] |= 0x80
	twoQuestions := append([]byte(nil), question...)
	twoQuestions[5] = 2
	longLabel := append([]byte(nil), question...)
	longLabel[12] = 63
	for name, packet := range map[string][]byte{
		"nothing": nil, "half a header": question[:6], "a name without an end": question[:14],
		"no class": question[:17], "an answer": isAnswer, "two questions": twoQuestions, "a label past the end": longLabel,
	} {
		if answer := noSuchName(packet); answer != nil {
			t.Errorf("%s was answered with %v", name, answer)
		}
	}
}
