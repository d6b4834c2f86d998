// Goal: who does not belong to the cluster, or talks nonsense, is refused, and nobody else notices.
// Method: raw bytes over gRPC; certificates of two authorities, made by the openssl command.
#include <cstdlib>
#include <fstream>
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/grpcpp.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "manager/command_messages.h"
#include "tests/support/remote_fixture.h"
#include "tests/support/temporary_directory.h"

namespace manager {
namespace {

class RemoteStrangersTest : public RemoteCommandsTest {};

/// Sends bytes as one message; what the stream ends with.
grpc::Status send_bytes(std::uint16_t port, const std::vector<std::uint8_t>& bytes) {
  grpc::GenericStub stub(
      grpc::CreateChannel("127.0.0.1:" + std::to_string(port), grpc::InsecureChannelCredentials()));
  grpc::ClientContext context;
  grpc::CompletionQueue queue;
  void* tag = nullptr;
  bool ok = false;
  auto call = stub.PrepareCall(&context, "/fb.rpc.Commands/Exchange", &queue);
  call->StartCall(nullptr);
  queue.Next(&tag, &ok);
  grpc::Slice slice(bytes.data(), bytes.size());
  call->Write(grpc::ByteBuffer(&slice, 1), nullptr);
  queue.Next(&tag, &ok);
  grpc::Status status;
  call->Finish(&status, nullptr);
  queue.Next(&tag, &ok);
  return status;
}

TEST_F(RemoteStrangersTest, AMalformedMessageEndsItsStreamAndNothingElse) {
  auto& remote = connected_remote();
  Questions questions;
  questions.submissions.push_back({.call = 1,
                                   .sequence = {},
                                   .left = seconds(1),
                                   .context = context(),
                                   .command = CreateProject{"damaged", {}},
                                   .seen = {}});
  auto damaged = encode(questions);
  damaged[0] ^= 0xff;
  for (const auto& bytes : {damaged, MessageBytes{}, MessageBytes(1000, 0xff)}) {
    const auto status = send_bytes(port_, bytes);
    EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT) << status.error_message();
  }
  create(remote, "fine");
  EXPECT_EQ(code_of(replies_.wait(1).at(0).result), "done");
  EXPECT_EQ(peer_.made(), std::vector<std::string>{"fine"});
}

TEST_F(RemoteStrangersTest, APortThatIsTakenIsSaid) {
  server_options_.port = port_;
  const auto second = CommandServer::start(server_options_, peer_);
  ASSERT_FALSE(second);
  EXPECT_THAT(second.error().detail, testing::HasSubstr("rpc_listen"));
}

/// Authorities and what they certify, made by the openssl command.
class Certificates {
 public:
  void make_authority(const std::string& name) {
    run("req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=" +
        name + " -keyout " + name + ".key -out " + name + ".pem");
  }
  PeerFiles make_peer(const std::string& name, const std::string& authority) {
    std::ofstream(path(name + ".cnf")) << "subjectAltName=IP:127.0.0.1\n";
    run("req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj /CN=" + name +
        " -keyout " + name + ".key -out " + name + ".csr");
    run("x509 -req -days 2 -CAcreateserial -in " + name + ".csr -CA " + authority + ".pem -CAkey " +
        authority + ".key -extfile " + name + ".cnf -out " + name + ".pem");
    return {path(name + ".pem"), path(name + ".key"), path(authority + ".pem")};
  }
  std::string path(const std::string& name) const { return directory_.path() / name; }

 private:
  void run(const std::string& arguments) {
    const auto command = "cd " + directory_.path().string() + " && openssl " + arguments + " 2>err";
    ASSERT_EQ(std::system(command.c_str()), 0) << command;
  }
  TemporaryDirectory directory_;
};

class RemoteSecurityTest : public RemoteCommandsTest {
 protected:
  void SetUp() override {
    certificates_.make_authority("ours");
    certificates_.make_authority("theirs");
    server_options_.security = *read_peer_files(certificates_.make_peer("server", "ours"));
    serve();
  }
  /// What becomes of one command.
  std::string ask() {
    create(remote(), "asked");
    return code_of(replies_.wait(1).at(0).result);
  }
  Certificates certificates_;
};

TEST_F(RemoteSecurityTest, PeersOfOneAuthorityTalk) {
  options_.security = *read_peer_files(certificates_.make_peer("client", "ours"));
  EXPECT_EQ(ask(), "done");
}

TEST_F(RemoteSecurityTest, AnAskerOfAnotherAuthorityIsRefused) {
  auto files = certificates_.make_peer("client", "theirs");
  files.authority = certificates_.path("ours.pem");  // it trusts the server
  options_.security = *read_peer_files(files);
  EXPECT_EQ(ask(), text(ErrorCode::no_owner));
  EXPECT_TRUE(peer_.made().empty());
}

TEST_F(RemoteSecurityTest, AServerOfAnotherAuthorityIsRefused) {
  auto files = certificates_.make_peer("client", "ours");
  files.authority = certificates_.path("theirs.pem");
  options_.security = *read_peer_files(files);
  EXPECT_EQ(ask(), text(ErrorCode::no_owner));
  EXPECT_TRUE(peer_.made().empty());
}

TEST_F(RemoteSecurityTest, AnAskerWithoutACertificateIsRefused) {
  EXPECT_EQ(ask(), text(ErrorCode::no_owner));
  EXPECT_TRUE(peer_.made().empty());
}

TEST_F(RemoteSecurityTest, FilesThatDoNotDoAreNamed) {
  const auto problem = [](const PeerFiles& files) { return read_peer_files(files).error().detail; };
  auto files = certificates_.make_peer("client", "ours");
  EXPECT_EQ(*read_peer_files({}), nullptr);
  EXPECT_THAT(problem({.certificate = files.certificate, .key = {}, .authority = {}}),
              testing::HasSubstr("rpc_certificate, rpc_key and rpc_ca belong together"));
  EXPECT_THAT(problem({files.certificate, files.certificate, files.authority}),
              testing::HasSubstr("rpc_key: '"));
  EXPECT_THAT(problem({files.certificate, files.key, certificates_.path("none.pem")}),
              testing::HasSubstr("rpc_ca: '"));
}

}  // namespace
}  // namespace manager
