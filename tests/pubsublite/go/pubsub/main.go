// Google's in-memory Pub/Sub on a free port, until standard input ends. The first line printed is the address.
//
// Two rules of the service that it lacks are added: a request holds messages of one ordering key, and who lacks
// the permission is refused. The line "deny TOPIC" on standard input takes the permission to publish away,
// "allow TOPIC" gives it back; each is answered by a line.
package main

import (
	"bufio"
	"fmt"
	"os"
	"strings"
	"sync"

	"cloud.google.com/go/pubsub/apiv1/pubsubpb"
	"cloud.google.com/go/pubsub/pstest"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

type rules struct {
	mu     sync.Mutex
	denied map[string]bool
}

// React returns an error for a request that the service would refuse.
func (r *rules) React(request any) (handled bool, answer any, err error) {
	publish := request.(*pubsubpb.PublishRequest)
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.denied[publish.Topic] {
		return true, nil, status.Errorf(codes.PermissionDenied, "not authorized to publish to %s", publish.Topic)
	}
	for _, message := range publish.Messages {
		if message.OrderingKey != publish.Messages[0].OrderingKey {
			return true, nil, status.Error(codes.InvalidArgument, "messages of several ordering keys")
		}
		if string(message.Data) == "refused" {
			return true, nil, status.Error(codes.InvalidArgument, "this message is refused")
		}
	}
	return false, nil, nil
}

func main() {
	added := &rules{denied: map[string]bool{}}
	server := pstest.NewServer(pstest.ServerReactorOption{FuncName: "Publish", Reactor: added})
	defer server.Close()
	fmt.Println(server.Addr)
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		verb, topic, _ := strings.Cut(lines.Text(), " ")
		added.mu.Lock()
		added.denied[topic] = verb == "deny"
		added.mu.Unlock()
		fmt.Println(verb, topic)
	}
}
