#include "manager/rpc_setup.h"

#include <grpc/support/log.h>
#include <grpcpp/grpcpp.h>
#include <mutex>

#include <spdlog/spdlog.h>

namespace manager {
namespace {

void write_to_our_log(gpr_log_func_args* line) {
  spdlog::warn("grpc message=\"{}\"", line->message);
}

void share_our_log() {
  static std::once_flag once;
  std::call_once(once, [] {
    gpr_set_log_function(&write_to_our_log);
    gpr_set_log_verbosity(GPR_LOG_SEVERITY_ERROR);
  });
}

}  // namespace

std::shared_ptr<grpc::ServerCredentials> server_credentials(const PeerSecurityPtr& security) {
  share_our_log();
  if (!security) return grpc::InsecureServerCredentials();
  grpc::SslServerCredentialsOptions options(
      GRPC_SSL_REQUEST_AND_REQUIRE_CLIENT_CERTIFICATE_AND_VERIFY);
  options.pem_root_certs = security->authority;
  options.pem_key_cert_pairs = {{std::string(security->key.reveal()), security->certificate}};
  return grpc::SslServerCredentials(options);
}

std::shared_ptr<grpc::ChannelCredentials> channel_credentials(const PeerSecurityPtr& security) {
  share_our_log();
  if (!security) return grpc::InsecureChannelCredentials();
  return grpc::SslCredentials({.pem_root_certs = security->authority,
                               .pem_private_key = std::string(security->key.reveal()),
                               .pem_cert_chain = security->certificate});
}

}  // namespace manager
