package main

import (
	"encoding/binary"
	"io"
	"net"
)

// nameServer is where containers ask for names that the engine does not know: an address set aside for documentation,
// on the loopback interface of the engine's namespace, which is every container's gateway.
const nameServer = "192.0.2.53"

// Asked for a name beyond its containers while no name server can be reached, dockerd stays silent and every lookup takes
// its full time. So there is one, and it says: no such name.
func answerNames() error {
	packets, err := net.ListenPacket("udp4", net.JoinHostPort(nameServer, "53"))
	if err != nil {
		return err
	}
	streams, err := net.Listen("tcp4", net.JoinHostPort(nameServer, "53"))
	if err != nil {
		return err
	}
	go answerPackets(packets)
	go func() {
		for {
			stream, err := streams.Accept()
			if err != nil {
				return
			}
			go answerStream(stream)
		}
	}()
	return nil
}

func answerPackets(packets net.PacketConn) {
	buffer := make([]byte, 4096)
	for {
		n, from, err := packets.ReadFrom(buffer)
		if err != nil {
			return
		}
		if answer := noSuchName(buffer[:n]); answer != nil {
			_, _ = packets.WriteTo(answer, from)
		}
	}
}

// answerStream answers messages that each come after their length (RFC 1035, 4.2.2).
func answerStream(stream net.Conn) {
	defer stream.Close()
	for {
		var length uint16
		if binary.Read(stream, binary.BigEndian, &length) != nil {
			return
		}
		query := make([]byte, length)
		if _, err := io.ReadFull(stream, query); err != nil {
			return
		}
		answer := noSuchName(query)
		if answer == nil {
			return
		}
		if _, err := stream.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(answer))), answer...)); err != nil {
			return
		}
	}
}

// noSuchName is the answer NXDOMAIN to a query of one question (RFC 1035, 4.1); nil where it is none.
func noSuchName(query []byte) []byte {
	const header = 12
	if len(query) < header || query[2]&0x80 != 0 || binary.BigEndian.Uint16(query[4:]) != 1 {
		return nil
	}
	end := header
	for end < len(query) && query[end] != 0 {
		end += 1 + int(query[end])
	}
	// The root label, the type, the class.
	if end += 5; end > len(query) {
		return nil
	}
	answer := append([]byte(nil), query[:end]...)
	answer[2] = 0x80 | query[2]&0x79 // an answer, to the same kind of query, recursion wanted or not as it was
	answer[3] = 0x80 | 3             // recursion available; the name does not exist
	clear(answer[6:header])
	return answer
}
