import com.google.api.core.ApiFuture;
import com.google.api.core.ApiFutures;
import com.google.api.gax.batching.BatchingSettings;
import com.google.cloud.pubsublite.AdminClient;
import com.google.cloud.pubsublite.AdminClientSettings;
import com.google.cloud.pubsublite.BacklogLocation;
import com.google.cloud.pubsublite.CloudZone;
import com.google.cloud.pubsublite.LocationPath;
import com.google.cloud.pubsublite.MessageMetadata;
import com.google.cloud.pubsublite.ProjectNumber;
import com.google.cloud.pubsublite.ReservationName;
import com.google.cloud.pubsublite.ReservationPath;
import com.google.cloud.pubsublite.SeekTarget;
import com.google.cloud.pubsublite.SubscriptionName;
import com.google.cloud.pubsublite.SubscriptionPath;
import com.google.cloud.pubsublite.TopicName;
import com.google.cloud.pubsublite.TopicPath;
import com.google.cloud.pubsublite.cloudpubsub.FlowControlSettings;
import com.google.cloud.pubsublite.cloudpubsub.MessageTransforms;
import com.google.cloud.pubsublite.cloudpubsub.Publisher;
import com.google.cloud.pubsublite.cloudpubsub.PublisherSettings;
import com.google.cloud.pubsublite.cloudpubsub.Subscriber;
import com.google.cloud.pubsublite.cloudpubsub.SubscriberSettings;
import com.google.cloud.pubsublite.proto.ExportConfig;
import com.google.cloud.pubsublite.proto.Reservation;
import com.google.cloud.pubsublite.proto.Subscription;
import com.google.cloud.pubsublite.proto.Subscription.DeliveryConfig;
import com.google.cloud.pubsublite.proto.Subscription.DeliveryConfig.DeliveryRequirement;
import com.google.cloud.pubsublite.proto.Topic;
import com.google.protobuf.ByteString;
import com.google.protobuf.FieldMask;
import com.google.protobuf.Timestamp;
import com.google.protobuf.util.Durations;
import com.google.pubsub.v1.PubsubMessage;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;

/**
 * What Google's samples for Java do in their QuickStartIT, by Google's client alone. Each step prints what came of it.
 *
 * <p>Arguments: the project's number and a zone.
 */
public class QuickStart {
  private static final String NAME = "java-quickstart";
  private static final long GIB = 1L << 30;

  public static void main(String[] arguments) throws Exception {
    CloudZone zone = CloudZone.parse(arguments[1]);
    ProjectNumber project = ProjectNumber.of(Long.parseLong(arguments[0]));
    TopicPath topic =
        TopicPath.newBuilder().setProject(project).setLocation(zone).setName(TopicName.of(NAME)).build();
    SubscriptionPath subscription = subscription(topic, NAME);
    SubscriptionPath export = subscription(topic, NAME + "-export");
    try (AdminClient admin =
        AdminClient.create(AdminClientSettings.newBuilder().setRegion(zone.region()).build())) {
      reservation(admin, topic);
      topic(admin, topic);
      subscriptions(admin, topic, subscription, export);
      List<ApiFuture<String>> published = publish(topic);
      System.out.println("published " + ApiFutures.allAsList(published).get().size());
      receive(subscription, 22);
      admin.seekSubscription(subscription, SeekTarget.of(BacklogLocation.BEGINNING)).getInitialFuture().get();
      System.out.println("moved to the beginning");
      receive(subscription, 22);
      admin.deleteSubscription(subscription).get();
      admin.deleteSubscription(export).get();
      admin.deleteTopic(topic).get();
      LocationPath place = LocationPath.newBuilder().setProject(project).setLocation(zone).build();
      System.out.println("left " + admin.listTopics(place).get().size() + " topics");
    }
  }

  private static SubscriptionPath subscription(TopicPath topic, String name) {
    return SubscriptionPath.newBuilder()
        .setProject(topic.project())
        .setLocation(topic.location())
        .setName(SubscriptionName.of(name))
        .build();
  }

  private static void reservation(AdminClient admin, TopicPath topic) throws Exception {
    ReservationPath path =
        ReservationPath.newBuilder()
            .setProject(topic.project())
            .setLocation(topic.location().extractRegion())
            .setName(ReservationName.of(NAME))
            .build();
    Reservation wanted =
        Reservation.newBuilder().setName(path.toString()).setThroughputCapacity(4).build();
    admin.createReservation(wanted).get();
    admin
        .updateReservation(wanted.toBuilder().setThroughputCapacity(8).build(), mask("throughput_capacity"))
        .get();
    System.out.println("reservation " + admin.getReservation(path).get().getThroughputCapacity());
    admin.deleteReservation(path).get();
  }

  private static void topic(AdminClient admin, TopicPath path) throws Exception {
    Topic wanted =
        Topic.newBuilder()
            .setName(path.toString())
            .setPartitionConfig(Topic.PartitionConfig.newBuilder().setScale(1).setCount(2))
            .setRetentionConfig(
                Topic.RetentionConfig.newBuilder()
                    .setPeriod(Durations.fromDays(1))
                    .setPerPartitionBytes(30 * GIB))
            .build();
    admin.createTopic(wanted).get();
    System.out.println("partitions " + admin.getTopicPartitionCount(path).get());
    Topic changed =
        Topic.newBuilder()
            .setName(path.toString())
            .setPartitionConfig(Topic.PartitionConfig.newBuilder().setScale(4))
            .setRetentionConfig(
                Topic.RetentionConfig.newBuilder()
                    .setPeriod(Durations.fromDays(7))
                    .setPerPartitionBytes(200 * GIB))
            .build();
    FieldMask mask =
        mask("partition_config.scale", "retention_config.per_partition_bytes", "retention_config.period");
    admin.updateTopic(changed, mask).get();
    Topic after = admin.getTopic(path).get();
    System.out.println(
        "topic "
            + after.getPartitionConfig().getScale()
            + " "
            + after.getRetentionConfig().getPerPartitionBytes() / GIB
            + " "
            + after.getRetentionConfig().getPeriod().getSeconds());
  }

  private static void subscriptions(
      AdminClient admin, TopicPath topic, SubscriptionPath plain, SubscriptionPath export)
      throws Exception {
    Subscription wanted =
        Subscription.newBuilder()
            .setName(plain.toString())
            .setTopic(topic.toString())
            .setDeliveryConfig(
                DeliveryConfig.newBuilder().setDeliveryRequirement(DeliveryRequirement.DELIVER_IMMEDIATELY))
            .build();
    admin.createSubscription(wanted).get();
    ExportConfig config =
        ExportConfig.newBuilder()
            .setDesiredState(ExportConfig.State.ACTIVE)
            .setPubsubConfig(
                ExportConfig.PubSubConfig.newBuilder()
                    .setTopic("projects/" + topic.project() + "/topics/" + NAME))
            .build();
    admin
        .createSubscription(wanted.toBuilder().setName(export.toString()).setExportConfig(config).build())
        .get();
    Subscription changed =
        Subscription.newBuilder()
            .setName(plain.toString())
            .setDeliveryConfig(
                DeliveryConfig.newBuilder().setDeliveryRequirement(DeliveryRequirement.DELIVER_AFTER_STORED))
            .build();
    admin.updateSubscription(changed, mask("delivery_config.delivery_requirement")).get();
    DeliveryConfig after = admin.getSubscription(plain).get().getDeliveryConfig();
    System.out.println("subscription " + after.getDeliveryRequirement());
    LocationPath place =
        LocationPath.newBuilder().setProject(topic.project()).setLocation(topic.location()).build();
    System.out.println(
        "listed "
            + admin.listTopicSubscriptions(topic).get().size()
            + " "
            + admin.listSubscriptions(place).get().size());
  }

  private static FieldMask mask(String... paths) {
    return FieldMask.newBuilder().addAllPaths(List.of(paths)).build();
  }

  private static List<ApiFuture<String>> publish(TopicPath topic) throws Exception {
    List<ApiFuture<String>> published = new ArrayList<>();
    BatchingSettings batching =
        PublisherSettings.DEFAULT_BATCHING_SETTINGS.toBuilder().setElementCountThreshold(3L).build();
    for (int round = 0; round < 2; round++) {
      PublisherSettings.Builder settings = PublisherSettings.newBuilder().setTopicPath(topic);
      Publisher publisher =
          Publisher.create(round == 0 ? settings.build() : settings.setBatchingSettings(batching).build());
      publisher.startAsync().awaitRunning();
      for (int i = 0; i < 10; i++) {
        published.add(publisher.publish(message(10 * round + i).build()));
      }
      if (round == 0) {
        published.add(publisher.publish(message(20).setOrderingKey("a-key").build()));
        String when = MessageTransforms.encodeAttributeEventTime(Timestamp.newBuilder().setSeconds(1).build());
        published.add(
            publisher.publish(
                message(21)
                    .putAttributes("year", "2020")
                    .putAttributes(MessageTransforms.PUBSUB_LITE_EVENT_TIME_TIMESTAMP_PROTO, when)
                    .build()));
      }
      ApiFutures.allAsList(published).get();
      publisher.stopAsync().awaitTerminated();
    }
    return published;
  }

  private static PubsubMessage.Builder message(int number) {
    return PubsubMessage.newBuilder().setData(ByteString.copyFromUtf8("message-" + number));
  }

  /** Receives the messages 0 to count - 1, each once, and prints the last two's key and attributes. */
  private static void receive(SubscriptionPath subscription, int count) throws Exception {
    BlockingQueue<PubsubMessage> queue = new LinkedBlockingQueue<>();
    SubscriberSettings settings =
        SubscriberSettings.newBuilder()
            .setSubscriptionPath(subscription)
            .setReceiver(
                (message, consumer) -> {
                  queue.add(message);
                  consumer.ack();
                })
            .setPerPartitionFlowControlSettings(
                FlowControlSettings.builder().setBytesOutstanding(10L << 20).setMessagesOutstanding(1000L).build())
            .build();
    Subscriber subscriber = Subscriber.create(settings);
    subscriber.startAsync().awaitRunning();
    Map<Integer, PubsubMessage> received = new TreeMap<>();
    for (int i = 0; i < count; i++) {
      PubsubMessage message = queue.poll(60, TimeUnit.SECONDS);
      MessageMetadata.decode(message.getMessageId());
      received.put(Integer.parseInt(message.getData().toStringUtf8().substring("message-".length())), message);
    }
    subscriber.stopAsync().awaitTerminated();
    System.out.println(
        "received "
            + received.keySet()
            + " "
            + received.get(20).getOrderingKey()
            + " "
            + received.get(21).getAttributesOrThrow("year")
            + " "
            + MessageTransforms.decodeAttributeEventTime(
                    received
                        .get(21)
                        .getAttributesOrThrow(MessageTransforms.PUBSUB_LITE_EVENT_TIME_TIMESTAMP_PROTO))
                .getSeconds());
  }
}
